//! Running one test of this program again, in a child process with another environment.

use std::process::{Command, Output};

/// Set in the child to what it is to do.
pub(crate) const TASK: &str = "ZE_AREA_TEST_TASK";

/// What this process is to do, where it is a child.
pub(crate) fn task() -> Option<String> {
    std::env::var(TASK).ok()
}

/// Runs the test of that name in a child, with `TASK` set to `task` and without what the
/// environment says of drivers.
pub(crate) fn run(test: &str, task: &str, environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture"])
        .env(TASK, task);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["ZE_", "LEVEL_ZERO_CPU_", "NEO"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            && name != TASK
        {
            command.env_remove(name);
        }
    }
    command.envs(environment.iter().copied()).output().unwrap()
}
