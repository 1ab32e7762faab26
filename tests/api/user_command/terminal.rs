//! A person types.

use rustix::process::{Pid, Signal, kill_process};

use super::{NEW, PASSWORD};
use crate::support::{app::Plan, stores::TestDb, terminal::Terminal};

#[test]
fn a_password_is_asked_for_twice_and_never_shown() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let line = r#""$PROGRAM" user make --username ann; echo "left with $?"; stty -a"#;
    let mut terminal = Terminal::with(&plan, line, &[PASSWORD, NEW]);
    terminal.sees("New password: ");
    terminal.types(&format!("{PASSWORD}\n"));
    terminal.sees("The same again: ");
    terminal.types(&format!("{PASSWORD}\n"));
    terminal.sees("with the roles owner");
    terminal.sees("left with 0");
    // The terminal is as it was.
    terminal.sees("\nisig icanon iexten echo ");
}

#[test]
fn two_passwords_that_differ_or_ctrl_c_change_nothing_and_leave_the_terminal_as_it_was() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    let line = r#""$PROGRAM" user make --username ann; echo "left with $?"; stty -a"#;
    for (second, said) in [(format!("{NEW}\n"), "the two passwords differ"), ("corr\u{3}".to_owned(), "given up")] {
        let mut terminal = Terminal::with(&plan, line, &[PASSWORD, NEW]);
        terminal.sees("New password: ");
        terminal.types(&format!("{PASSWORD}\n"));
        terminal.sees("The same again: ");
        terminal.types(&second);
        terminal.sees(said);
        terminal.sees("left with 1");
        terminal.sees("eol = <undef>");
        terminal.sees("\nisig icanon iexten echo ");
    }
    assert_eq!(super::listed(&plan).len(), 0);
}

#[test]
fn a_signal_at_the_prompt_leaves_the_terminal_as_it_was() {
    let db = TestDb::create();
    let plan = Plan::over(&db);
    std::fs::create_dir_all(plan.data_dir()).unwrap();
    let file = plan.data_dir().join("pid");
    let plan = plan.with("PID", file.to_str().unwrap());
    let program = r#"sh -c 'echo $$ >"$PID"; exec "$PROGRAM" user make --username ann'"#;
    let line = format!(r#"{program}; echo "left with $?"; stty -a"#);
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut terminal = Terminal::with(&plan, &line, &[PASSWORD, NEW]);
        terminal.sees("New password: ");
        let pid = std::fs::read_to_string(&file).unwrap().trim().parse().ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process"), signal).unwrap();
        terminal.sees(&format!("left with {code}"));
        terminal.sees("eol = <undef>");
        terminal.sees("\nisig icanon iexten echo ");
    }
}
