//! Stores that outlived a killed server: recognised beyond doubt, then stopped.

use std::{fs, path::Path, thread, time::Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    ServiceError,
    process::{Ending, POLL, command},
};

/// What a store's processes look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    /// For messages.
    pub(super) name: &'static str,
    /// How the program's name begins.
    pub(super) programs: &'a [&'a str],
    /// Its working folder, which is closed to everyone else.
    pub(super) folder: &'a Path,
}

/// Ends the process a pid file names, and all others that work in the same folder (a killed
/// Postgres can leave children), then removes the pid file. A number that belongs to somebody
/// else by now is left alone.
pub(super) fn stop(pid_file: &Path, look: Look<'_>, ending: Ending) -> Result<(), ServiceError> {
    let Ok(text) = fs::read_to_string(pid_file) else { return Ok(()) };
    let first = text.lines().next().and_then(|line| line.trim().parse().ok()).and_then(Pid::from_raw);
    if let Some(pid) = first.filter(|pid| is_ours(*pid, look)) {
        tracing::info!(store = look.name, pid = pid.as_raw_pid(), "stopping what an earlier run left behind");
        end(pid, look, ending)?;
    }
    stop_all(look, ending)?;
    match fs::remove_file(pid_file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ServiceError::io("remove", pid_file)(error)),
        _ => Ok(()),
    }
}

/// Ends every process that works in the folder.
pub(super) fn stop_all(look: Look<'_>, ending: Ending) -> Result<(), ServiceError> {
    processes().filter(|pid| is_ours(*pid, look)).try_for_each(|pid| end(pid, look, ending))
}

fn end(pid: Pid, look: Look<'_>, ending: Ending) -> Result<(), ServiceError> {
    for &(signal, patience) in ending {
        let end = Instant::now() + patience;
        for signal in [signal, Signal::CONT] {
            // It may have gone by itself; the loop sees.
            kill_process(pid, signal).unwrap_or_default();
        }
        while Instant::now() < end {
            if !is_ours(pid, look) {
                return Ok(());
            }
            thread::sleep(POLL);
        }
    }
    Err(ServiceError::Stuck { program: look.name, pid: pid.as_raw_pid() })
}

/// A process that has ended but was not reaped has no working folder, and counts as gone.
fn is_ours(pid: Pid, look: Look<'_>) -> bool {
    let process = Path::new("/proc").join(pid.as_raw_pid().to_string());
    if !Path::new("/proc/self").exists() {
        return is_ours_by_ps(pid, look);
    }
    let named = fs::read_to_string(process.join("comm"))
        .is_ok_and(|comm| look.programs.iter().any(|program| comm.starts_with(program)));
    named && fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == look.folder)
}

/// Where there is no /proc: the command line has to name the folder.
fn is_ours_by_ps(pid: Pid, look: Look<'_>) -> bool {
    let listed = command("ps").args(["-ww", "-o", "command=", "-p", &pid.as_raw_pid().to_string()]).output();
    let line = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    look.programs.iter().any(|program| line.contains(program)) && line.contains(&*look.folder.to_string_lossy())
}

fn processes() -> impl Iterator<Item = Pid> {
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten();
    listed.filter_map(|entry| Pid::from_raw(entry.file_name().to_str()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PATIENCE: Ending = &[(Signal::KILL, Duration::from_secs(5))];

    #[test]
    fn a_foreign_process_under_an_old_number_is_left_alone() {
        let folder = std::env::temp_dir().join(format!("playhouse-left-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&folder).unwrap();
        let pid_file = folder.join("store.pid");
        // Right program, wrong folder; right folder, wrong program.
        for (programs, place) in [(["sleep"], Path::new("/")), (["postgres"], &*folder)] {
            let mut sleep = command("sleep").arg("60").current_dir(place).spawn().unwrap();
            fs::write(&pid_file, format!("{}\n", sleep.id())).unwrap();
            stop(&pid_file, Look { name: "test", programs: &programs, folder: &folder }, PATIENCE).unwrap();
            assert!(!pid_file.exists());
            assert!(sleep.try_wait().unwrap().is_none(), "it was ended");
            sleep.kill().unwrap();
            sleep.wait().unwrap();
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn all_of_ours_are_ended_whatever_the_file_says() {
        let folder = std::env::temp_dir().join(format!("playhouse-left-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&folder).unwrap();
        let pid_file = folder.join("store.pid");
        fs::write(&pid_file, "999999999\n").unwrap();
        let mut sleep = command("sleep").arg("60").current_dir(&folder).spawn().unwrap();
        // The new process is a copy of this one until it has become `sleep`.
        let pid = Pid::from_child(&sleep);
        let look = Look { name: "test", programs: &["sleep"], folder: &folder };
        while !is_ours(pid, look) {
            thread::yield_now();
        }
        stop(&pid_file, look, PATIENCE).unwrap();
        assert!(!sleep.wait().unwrap().success());
        fs::remove_dir_all(&folder).unwrap();
    }
}
