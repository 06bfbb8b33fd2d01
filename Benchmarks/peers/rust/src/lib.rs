//! What the two programs share: their arguments and the line that every client prints.

use std::time::Duration;

/// One line in the same shape as the other clients print.
pub fn report(name: &str, n: usize, c: usize, wall: Duration, bytes: usize) {
    let mut ru: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut ru) };
    let s = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    let (user, sys) = (s(ru.ru_utime), s(ru.ru_stime));
    let w = wall.as_secs_f64();
    println!(
        "{name}: n={n} c={c} wall={w:.4} rps={:.0} cpu/req={:.3}us user/req={:.3}us rss={}K bytes={bytes}",
        n as f64 / w, (user + sys) / n as f64 * 1e6, user / n as f64 * 1e6, ru.ru_maxrss
    );
}

pub fn args() -> (String, usize, usize) {
    let a: Vec<String> = std::env::args().collect();
    if a.len() != 4 {
        eprintln!("usage: {} URL N CONCURRENCY", a[0]);
        std::process::exit(2);
    }
    (a[1].clone(), a[2].parse().unwrap(), a[3].parse().unwrap())
}
