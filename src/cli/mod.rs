//! The command line: the only place with arguments, terminals and exit codes.
