/* Makes writes and locks below one folder fail, for tests/faulty.py: loaded by LD_PRELOAD, armed by faults_arm.

   Only calls that could run out of room are counted: writes, allocations, and the creation of files and folders. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static size_t length;
static atomic_long counted;
static long first, last;
static int error_of_writes, error_of_locks;

/* The writes numbered first to last, from 0, fail with an error; locks fail with another, or work if it is 0. */
void faults_arm(const char *below, long from, long to, int of_writes, int of_locks)
{
    snprintf(folder, sizeof folder, "%s", below);
    length = strlen(folder);
    first = from;
    last = to;
    error_of_writes = of_writes;
    error_of_locks = of_locks;
    atomic_store(&counted, 0);
}

long faults_counted(void) { return atomic_load(&counted); }

static int is_below(const char *path) { return length > 0 && strncmp(path, folder, length) == 0; }

static int holds(int fd)
{
    char name[64], path[PATH_MAX];
    if (length == 0)
        return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, path, sizeof path - 1);
    if (n < 0)
        return 0;
    path[n] = 0;
    return is_below(path);
}

static int path_holds(int dir, const char *name)
{
    char path[PATH_MAX];
    if (length == 0 || name == NULL)
        return 0;
    if (name[0] == '/')
        return is_below(name);
    if (dir != AT_FDCWD)
        return holds(dir);
    if (getcwd(path, sizeof path) == NULL)
        return 0;
    size_t n = strlen(path);
    snprintf(path + n, sizeof path - n, "/%s", name);
    return is_below(path);
}

static int fails(void)
{
    long number = atomic_fetch_add(&counted, 1);
    if (number < first || number > last)
        return 0;
    errno = error_of_writes;
    return 1;
}

#define REAL(name) __typeof__(name) *real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define WRITES(name, given, passed)                                                                                    \
    ssize_t name given                                                                                                 \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        return holds(fd) && fails() ? -1 : real passed;                                                                \
    }
WRITES(write, (int fd, const void *data, size_t n), (fd, data, n))
WRITES(pwrite, (int fd, const void *data, size_t n, off_t at), (fd, data, n, at))
WRITES(pwrite64, (int fd, const void *data, size_t n, off64_t at), (fd, data, n, at))
WRITES(writev, (int fd, const struct iovec *parts, int n), (fd, parts, n))

#define ALLOCATES(name, given, passed, failed)                                                                         \
    int name given                                                                                                     \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        return holds(fd) && fails() ? (failed) : real passed;                                                          \
    }
ALLOCATES(fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n), -1)
ALLOCATES(fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n), -1)
ALLOCATES(posix_fallocate, (int fd, off_t at, off_t n), (fd, at, n), errno)
ALLOCATES(posix_fallocate64, (int fd, off64_t at, off64_t n), (fd, at, n), errno)

#define OPENS(name, given, before, dir)                                                                                \
    int name given                                                                                                     \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                                        \
        va_end(more);                                                                                                  \
        if ((flags & O_CREAT) && path_holds(dir, path) && access(path, F_OK) != 0 && fails())                          \
            return -1;                                                                                                 \
        return real before;                                                                                            \
    }
OPENS(open, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode), AT_FDCWD)
OPENS(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode), at)
OPENS(openat64, (int at, const char *path, int flags, ...), (at, path, flags, mode), at)

int mkdir(const char *path, mode_t mode)
{
    REAL(mkdir);
    return path_holds(AT_FDCWD, path) && access(path, F_OK) != 0 && fails() ? -1 : real(path, mode);
}

#define LOCKS(name)                                                                                                    \
    int name(int fd, int what, ...)                                                                                    \
    {                                                                                                                  \
        REAL(name);                                                                                                    \
        va_list more;                                                                                                  \
        va_start(more, what);                                                                                          \
        void *argument = va_arg(more, void *);                                                                         \
        va_end(more);                                                                                                  \
        if (error_of_locks && (what == F_SETLK || what == F_SETLKW || what == F_GETLK) && holds(fd)) {                 \
            errno = error_of_locks;                                                                                    \
            return -1;                                                                                                 \
        }                                                                                                              \
        return real(fd, what, argument);                                                                               \
    }
LOCKS(fcntl)
LOCKS(fcntl64)
