"""aiohttp_client.py URL N CONCURRENCY uvloop|asyncio: aiohttp's ClientSession; C tasks share one counter.

Prints one line in the shape that all clients print; README.md has the environment. The interpreter's start is left out of the CPU time: it
is not what is measured, and it would weigh more here than in the compiled peers.
"""
import asyncio
import os
import resource
import ssl
import sys
import time
from array import array

import aiohttp


async def main(name, url, n, c):
    warm = int(os.environ.get("BENCH_WARM", 0))
    times = array("d") if "BENCH_TIMES" in os.environ else None
    body = b"x" * int(os.environ.get("BENCH_BODY", 0))
    tls = ssl.create_default_context(cafile=os.environ["BENCH_ROOTS"]) if "BENCH_ROOTS" in os.environ else True
    total = done = before = 0
    numbers = iter(range(n))
    clock = time.perf_counter
    r0 = resource.getrusage(resource.RUSAGE_SELF)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=c, ssl=tls)) as session:

        async def worker():
            nonlocal total, done, before, start, r0
            for number in numbers:
                if number == warm and warm:
                    r0, before, start = resource.getrusage(resource.RUSAGE_SELF), done, clock()
                begun = clock()
                async with session.post(url, data=body) if body else session.get(url) as response:
                    assert response.status == 200
                    # Two steps: the sum would be read before the wait.
                    text = await response.text()
                    total += len(text)
                if times is not None and number >= warm:
                    times.append(clock() - begun)
                done += 1

        start = clock()
        await asyncio.gather(*[worker() for _ in range(c)])
        wall = clock() - start
    ru = resource.getrusage(resource.RUSAGE_SELF)
    counted = n - before
    user, system = ru.ru_utime - r0.ru_utime, ru.ru_stime - r0.ru_stime
    percentiles = ""
    if times:
        times = sorted(times)
        percentiles = "".join(f" p{word}={times[int(len(times) * share)] * 1e6:.2f}" for word, share in (("50", .5), ("99", .99), ("999", .999)))
    print(f"{name}: n={n} c={c} wall={wall:.4f} rps={counted / wall:.0f} cpu/req={(user + system) / counted * 1e6:.3f}us "
          f"user/req={user / counted * 1e6:.3f}us rss={ru.ru_maxrss}K bytes={total}{percentiles}")


if len(sys.argv) != 5:
    sys.exit("usage: aiohttp_client.py URL N CONCURRENCY uvloop|asyncio")
arguments = (f"aiohttp+{sys.argv[4]}", sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
if sys.argv[4] == "uvloop":
    import uvloop

    uvloop.run(main(*arguments))
else:
    asyncio.run(main(*arguments))
