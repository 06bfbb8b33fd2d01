//! What the client and the server share: what is measured, and the line that every client prints (see ../../README.md).

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// From a request on, which need not be the first: time, CPU, and how long each request took.
pub struct Measure {
    pub total: usize,
    pub warm: usize,
    times: bool,
    from: Mutex<(Instant, f64, f64, usize)>,
    histogram: Mutex<Vec<u32>>,
}

const PER_OCTAVE: u64 = 128;

fn usage() -> (f64, f64, i64) {
    let mut ru: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut ru) };
    let s = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    (s(ru.ru_utime), s(ru.ru_stime), ru.ru_maxrss)
}

impl Measure {
    pub fn new(total: usize) -> Measure {
        let warm = std::env::var("BENCH_WARM").ok().and_then(|w| w.parse().ok()).unwrap_or(0);
        let times = std::env::var("BENCH_TIMES").is_ok();
        Measure {
            total,
            warm,
            times,
            from: Mutex::new((Instant::now(), 0.0, 0.0, 0)),
            histogram: Mutex::new(vec![0; 64 * PER_OCTAVE as usize]),
        }
    }

    /// The next request is the NUMBERth, DONE have been answered.
    pub fn begin(&self, number: usize, done: usize) -> Option<Instant> {
        if self.warm > 0 && number == self.warm {
            let (user, system, _) = usage();
            *self.from.lock().unwrap() = (Instant::now(), user, system, done);
        }
        (self.times && number >= self.warm).then(Instant::now)
    }

    pub fn end(&self, begun: Option<Instant>) {
        if let Some(begun) = begun {
            let ns = (begun.elapsed().as_nanos() as u64).max(1);
            let shift = (64 - ns.leading_zeros() as u64).saturating_sub(8);
            self.histogram.lock().unwrap()[(shift * PER_OCTAVE + (ns >> shift)) as usize] += 1;
        }
    }

    fn percentile(&self, share: f64) -> f64 {
        let histogram = self.histogram.lock().unwrap();
        let mut left = (histogram.iter().map(|n| *n as u64).sum::<u64>() as f64 * share) as i64;
        for (i, n) in histogram.iter().enumerate() {
            left -= *n as i64;
            if left < 0 {
                let shift = (i as u64 / PER_OCTAVE).saturating_sub(1);
                return ((i as u64 - shift * PER_OCTAVE) as f64 + 0.5) * (1u64 << shift) as f64 / 1000.0;
            }
        }
        0.0
    }

    /// Time and CPU since then. What closing costs comes after, and is not measured.
    pub fn finish(&self) -> (Duration, f64, f64) {
        let (user, system, _) = usage();
        let from = self.from.lock().unwrap();
        (from.0.elapsed(), user - from.1, system - from.2)
    }

    pub fn report(&self, name: &str, c: usize, bytes: usize, spent: (Duration, f64, f64)) {
        let done = self.from.lock().unwrap().3;
        let (_, _, rss) = usage();
        let (w, n, user, system) = (spent.0.as_secs_f64(), (self.total - done) as f64, spent.1, spent.2);
        print!(
            "{name}: n={} c={c} wall={w:.4} rps={:.0} cpu/req={:.3}us user/req={:.3}us rss={rss}K bytes={bytes}",
            self.total, n / w, (user + system) / n * 1e6, user / n * 1e6
        );
        if self.times {
            print!(" p50={:.2} p99={:.2} p999={:.2}", self.percentile(0.5), self.percentile(0.99), self.percentile(0.999));
        }
        println!();
    }
}

pub fn args() -> (String, usize, usize) {
    let a: Vec<String> = std::env::args().collect();
    if a.len() != 4 {
        eprintln!("usage: {} URL N CONCURRENCY", a[0]);
        std::process::exit(2);
    }
    (a[1].clone(), a[2].parse().unwrap(), a[3].parse().unwrap())
}
