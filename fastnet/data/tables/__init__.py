"""Tables: opened in any format, and looked at column by column."""
