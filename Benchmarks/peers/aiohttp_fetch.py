"""Fetches a list of URLs as aiohttp's users do: so many at a time, into a folder or to nobody."""

import asyncio
import os
import sys

import aiohttp


async def main(path, concurrency, folder):
    with open(path) as file:
        urls = iter(file.read().split())
    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def work():
            for url in urls:
                async with session.get(url) as response:
                    body = await response.read()
                if folder:
                    name = os.path.join(folder, url.rsplit("/", 1)[1])
                    with open(name + ".part", "wb") as file:
                        file.write(body)
                    os.rename(name + ".part", name)

        await asyncio.gather(*(work() for _ in range(concurrency)))


try:
    import uvloop

    uvloop.install()
except ImportError:
    pass
asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
