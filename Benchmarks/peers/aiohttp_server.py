"""aiohttp_server.py PORT: aiohttp on uvloop, plain text at /, JSON at /json, access log off."""
import sys

import uvloop
from aiohttp import web

BODY = b"Hello, World!"


async def hello(request):
    return web.Response(body=BODY, content_type="text/plain")


async def message(request):
    return web.json_response({"message": "Hello, World!"})


app = web.Application()
app.router.add_get("/", hello)
app.router.add_get("/json", message)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, backlog=8192,
            loop=uvloop.new_event_loop(), print=None)
