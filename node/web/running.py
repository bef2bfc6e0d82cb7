"""The key under which page handlers find the running node."""

from aiohttp import web

from node.app import Node

NODE = web.AppKey("NODE", Node)
