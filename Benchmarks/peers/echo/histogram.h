/* Latencies of the load programs, counted in place of kept: percentiles of any number of requests. */
enum { PER_OCTAVE = 128, SLOTS = 64 * PER_OCTAVE };
static unsigned histogram[SLOTS];
/* 128 slots for each doubling: no figure is off by more than 0.8 %. */
static int slot(long long ns) {
  int shift = 0;
  if (ns < 1) ns = 1;
  while (ns >> shift >= 2 * PER_OCTAVE) shift++;
  return shift * PER_OCTAVE + (int)(ns >> shift);
}
static double percentile(double share, long n) {
  long left = (long)(share * n);
  for (int i = 0; i < SLOTS; i++) {
    if ((left -= histogram[i]) >= 0) continue;
    int shift = i < 2 * PER_OCTAVE ? 0 : i / PER_OCTAVE - 1;
    return ((double)(i - shift * PER_OCTAVE) + 0.5) * (1LL << shift) / 1000;
  }
  return 0;
}
