"""The Python side of scripts/interop: the files to fetch, and two real servers on a free port of 127.0.0.1.

    interop-peers.py files FOLDER COUNT     COUNT files of varied sizes, the same on every run
    interop-peers.py table FOLDER           the files that the comparison with curl asks for
    interop-peers.py http FOLDER PORTFILE   the standard library's http.server on FOLDER
    interop-peers.py aiohttp FOLDER PORTFILE
    interop-peers.py sha256                 of standard input

A server writes its port to PORTFILE once it listens, and runs until it is ended.
"""
import asyncio
import hashlib
import http.server
import os
import pathlib
import random
import sys


def files(folder, count):
    """Sizes that matter to readers of bodies (empty, one byte, around powers of two), then any up to 200 KB."""
    edges = [0, 1, 2, 13, 1023, 1024, 1025, 4095, 4096, 4097, 8191, 8192, 8193, 16383, 16384, 16385,
             32768, 65535, 65536, 65537, 131072, 200_000]
    chance = random.Random(2)
    for number in range(count):
        size = edges[number] if number < len(edges) else int(200_000 * chance.random() ** 4)
        path = folder / f"d{number % 10}" / f"{number:04}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(chance.randbytes(size))
    (folder / "large.bin").write_bytes(chance.randbytes(20_000_000))


def table(folder):
    """Served by each of the servers that serve files; the text also in zstd, which no server makes by itself."""
    import zstandard

    chance = random.Random(5)
    text = "".join(f"line {number} {chance.random()}\n" for number in range(5000)).encode()
    for name, content in {"empty.bin": b"", "small.bin": chance.randbytes(4321), "large.bin": chance.randbytes(5_000_000),
                          "text.txt": text, "text.zst": zstandard.compress(text)}.items():
        (folder / name).write_bytes(content)


def announce(portfile, port):
    """Written beside and renamed: whoever sees the file sees the whole number."""
    beside = f"{portfile}.new"
    pathlib.Path(beside).write_text(str(port))
    os.rename(beside, portfile)


class Handler(http.server.SimpleHTTPRequestHandler):
    """http.server as it is (HTTP/1.0, one connection a response), with a few answers that it does not give itself."""

    def do_GET(self):
        if "escape" in self.path:
            # Whatever the path: what does a client make of it on its disk?
            self.answer(b"escape", length=6)
        elif self.path == "/close":
            # No length at all: the body ends where the connection does.
            self.answer(b"until the end " * 5000, length=None)
        elif self.path == "/short":
            self.answer(b"cut off", length=1000)
        else:
            super().do_GET()

    def answer(self, body, length):
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def log_message(self, *arguments):
        pass


def http_server(folder, portfile):
    def handler(*arguments):
        return Handler(*arguments, directory=folder)

    # The default of 5 makes the kernel drop handshakes of a hundred clients at once; TCP mends that in up to a minute.
    http.server.ThreadingHTTPServer.request_queue_size = 1024
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    announce(portfile, server.server_port)
    server.serve_forever()


async def aiohttp_server(folder, portfile):
    from aiohttp import web

    async def chunked(request):
        """The file in chunks of odd sizes, some written together, some apart."""
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        body = (pathlib.Path(folder) / request.match_info["path"]).read_bytes()
        chance = random.Random(len(body))
        while body:
            size = chance.choice([1, 2, 15, 16, 17, 255, 4096, 65537])
            await response.write(body[:size])
            body = body[size:]
            if chance.random() < 0.05:
                await asyncio.sleep(0)
        await response.write_eof()
        return response

    async def drip(request):
        """Twenty pieces of one known length with pauses: read by read, with nothing to read in between."""
        response = web.StreamResponse()
        response.content_length = 20 * 7
        await response.prepare(request)
        for _ in range(20):
            await response.write(b"7 bytes")
            await asyncio.sleep(0.01)
        return response

    async def status(request):
        code = int(request.match_info["code"])
        return web.Response(status=code, text="" if code in (204, 304) else f"status {code}\n")

    async def redirect(request):
        """N redirects, relative ones, then a body."""
        left = int(request.match_info["left"])
        if left:
            raise web.HTTPFound(f"/redirect/{left - 1}")
        return web.Response(text="arrived")

    async def digest(request):
        """What came, read as it comes."""
        seen, count = hashlib.sha256(), 0
        async for piece in request.content.iter_any():
            seen.update(piece)
            count += len(piece)
        return web.Response(text=f"{request.method} {count} {seen.hexdigest()}\n")

    changes = {}

    async def cached(request):
        """One text for each language, until it is changed by a POST; with a tag, and fresh for a while."""
        count = changes.get(request.path, 0)
        if request.method == "POST":
            changes[request.path] = count + 1
            return web.Response(status=204)
        text = f"{request.headers.get('Accept-Language', '-')} {count}\n"
        response = web.Response(text=text, headers={"Cache-Control": "max-age=300", "Vary": "Accept-Language"})
        response.etag = hashlib.sha256(text.encode()).hexdigest()[:16]
        if any(tag.value == response.etag.value for tag in request.if_none_match or ()):
            return web.Response(status=304, headers={"ETag": response.headers["ETag"], "Vary": "Accept-Language"})
        return response

    async def many_fields(request):
        return web.Response(text="many", headers=[(f"X-Field-{i}", "v" * 50) for i in range(60)])

    app = web.Application()
    app.router.add_get("/chunked/{path:.*}", chunked)
    app.router.add_get("/drip", drip)
    app.router.add_get("/status/{code}", status)
    app.router.add_get("/redirect/{left}", redirect)
    app.router.add_get("/fields", many_fields)
    app.router.add_get("/cached/{name}", cached)
    app.router.add_post("/cached/{name}", cached)
    app.router.add_post("/digest", digest)
    app.router.add_put("/digest", digest)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    announce(portfile, runner.addresses[0][1])
    await asyncio.Event().wait()


command, *arguments = sys.argv[1:] or [""]
if command == "files":
    files(pathlib.Path(arguments[0]), int(arguments[1]))
elif command == "table":
    table(pathlib.Path(arguments[0]))
elif command == "http":
    http_server(*arguments)
elif command == "aiohttp":
    asyncio.run(aiohttp_server(*arguments))
elif command == "sha256":
    print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())
else:
    sys.exit(__doc__)
