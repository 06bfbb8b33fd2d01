"""task_bench.py asyncio|uvloop LINE N: the lines of BenchTasks, as a user of asyncio writes them."""

import asyncio
import os
import resource
import sys
import threading
import time

words = ""


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


async def nothing():
    pass


async def echo(number):
    return number


async def spawn(count):
    for _ in range(count):
        await asyncio.create_task(nothing())


async def yields(count):
    for _ in range(count):
        await asyncio.sleep(0)


async def pingpong(count):
    there, back = asyncio.Queue(1), asyncio.Queue(1)

    async def first():
        for number in range(count):
            await there.put(number)
            await back.get()

    async def second():
        for _ in range(count):
            await back.put(await there.get())

    await asyncio.gather(first(), second())


async def queue(count):
    elements = asyncio.Queue(64)

    async def put():
        for number in range(count):
            await elements.put(number)

    async def get():
        for _ in range(count):
            await elements.get()

    await asyncio.gather(put(), get())


async def timer(count):
    loop = asyncio.get_running_loop()
    for _ in range(count):
        loop.call_later(60, int).cancel()


async def sleepers(count):
    global words
    loop = asyncio.get_running_loop()
    before, start = resident(), time.monotonic()
    delay = 1 + count * 30e-6
    end = loop.time() + delay

    async def sleeper(index):
        global words
        if index == count - 1:
            asleep = time.monotonic() - start
            words = f" bytes={(resident() - before) // count} asleep={asleep:.3f}"
            if asleep > delay:
                words = " bytes=0 late=1"
        await asyncio.sleep(end - loop.time())

    await asyncio.gather(*[sleeper(index) for index in range(count)])


async def semaphore(count):
    permits = asyncio.Semaphore(8)

    async def user():
        for _ in range(max(1, count // 100)):
            async with permits:
                await asyncio.sleep(0)

    await asyncio.gather(*[user() for _ in range(100)])


async def offload(count):
    loop = asyncio.get_running_loop()
    for _ in range(count):
        await loop.run_in_executor(None, int)


async def on_thread(body):
    """On a thread that belongs to nobody."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()

    def run():
        body()
        loop.call_soon_threadsafe(end.set)

    threading.Thread(target=run).start()
    await end.wait()


async def schedule(count):
    loop = asyncio.get_running_loop()

    def body():
        gate = threading.Semaphore(0)
        for _ in range(count):
            loop.call_soon_threadsafe(gate.release)
            gate.acquire()

    await on_thread(body)


async def flood(count):
    loop = asyncio.get_running_loop()

    def body():
        gate = threading.Semaphore(0)
        for _ in range(1, max(2, count)):
            loop.call_soon_threadsafe(int)
        loop.call_soon_threadsafe(gate.release)
        gate.acquire()

    await on_thread(body)


async def submit(count):
    loop = asyncio.get_running_loop()

    def body():
        for number in range(count):
            asyncio.run_coroutine_threadsafe(echo(number), loop).result()

    await on_thread(body)


async def call(count):
    """From the loop of another thread."""
    loop = asyncio.get_running_loop()

    async def caller():
        for number in range(count):
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(echo(number), loop))

    await on_thread(lambda: run(caller()))


LINES = {
    "spawn": spawn,
    "yield": yields,
    "pingpong": pingpong,
    "queue": queue,
    "timer": timer,
    "sleepers": sleepers,
    "semaphore": semaphore,
    "offload": offload,
    "schedule": schedule,
    "flood": flood,
    "submit": submit,
    "call": call,
}


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run(coroutine):
    if kind == "uvloop":
        import uvloop

        return uvloop.run(coroutine)
    return asyncio.run(coroutine)


async def main(name, count):
    body = LINES[name]
    if name != "sleepers":
        await body(max(1, count // 10))
    cpu, start = cpu_seconds(), time.monotonic()
    await body(count)
    wall, cpu = time.monotonic() - start, cpu_seconds() - cpu
    print(f"{kind} {name}: n={count} wall={wall / count * 1e6:.4f} cpu={cpu / count * 1e6:.4f}{words}")


if len(sys.argv) != 4 or sys.argv[1] not in ("asyncio", "uvloop") or sys.argv[2] not in LINES:
    sys.exit(__doc__)
kind = sys.argv[1]
run(main(sys.argv[2], int(sys.argv[3])))
