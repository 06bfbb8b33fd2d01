"""aiohttp_client.py URL N CONCURRENCY uvloop|asyncio: aiohttp's ClientSession; C tasks share one counter.

Prints one line in the shape that all clients print. The interpreter's start is left out of the CPU time: it is not
what is measured, and it would weigh more here than in the compiled peers.
"""
import asyncio
import resource
import sys
import time

import aiohttp


async def main(name, url, n, c):
    total = 0
    numbers = iter(range(n))
    r0 = resource.getrusage(resource.RUSAGE_SELF)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=c)) as session:

        async def worker():
            nonlocal total
            for _ in numbers:
                async with session.get(url) as response:
                    assert response.status == 200
                    # Two steps: the sum would be read before the wait.
                    text = await response.text()
                    total += len(text)

        start = time.perf_counter()
        await asyncio.gather(*[worker() for _ in range(c)])
        wall = time.perf_counter() - start
    ru = resource.getrusage(resource.RUSAGE_SELF)
    user, system = ru.ru_utime - r0.ru_utime, ru.ru_stime - r0.ru_stime
    print(f"{name}: n={n} c={c} wall={wall:.4f} rps={n / wall:.0f} cpu/req={(user + system) / n * 1e6:.3f}us "
          f"user/req={user / n * 1e6:.3f}us rss={ru.ru_maxrss}K bytes={total}")


if len(sys.argv) != 5:
    sys.exit("usage: aiohttp_client.py URL N CONCURRENCY uvloop|asyncio")
arguments = (f"aiohttp+{sys.argv[4]}", sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
if sys.argv[4] == "uvloop":
    import uvloop

    uvloop.run(main(*arguments))
else:
    asyncio.run(main(*arguments))
