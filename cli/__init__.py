"""The command line of fastnet, installed as the package `fastnet_cli`; one file for each command."""
