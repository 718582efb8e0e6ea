//! The `coffer` command: hands its arguments to the library's command line and exits with its code.

fn main() -> std::process::ExitCode {
    coffer::cli::main()
}
