"""Typed keys under which an application and a request carry their parts."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import web

from federation.ports import Clock, RandomSource
from node.members.model import Person
from node.web.assets import Assets
from node.web.i18n import Languages
from node.web.navigation import Navigation
from node.web.site import SiteSettings

PersonLoader: TypeAlias = Callable[[web.Request], Awaitable[Person | None]]
"""Finds out who is signed in; None for a visitor."""

CounterLoader: TypeAlias = Callable[[web.Request, Person], Awaitable[Mapping[str, int]]]
"""Counts what waits for a person, by the name of a navigation entry."""

LanguageKeeper: TypeAlias = Callable[[web.Request, Person, str], Awaitable[None]]
"""Stores the language that a signed-in person chose."""

SITE = web.AppKey("SITE", SiteSettings)
CLOCK: web.AppKey[Clock] = web.AppKey("CLOCK")
RANDOM: web.AppKey[RandomSource] = web.AppKey("RANDOM")
LANGUAGES = web.AppKey("LANGUAGES", Languages)
ASSETS = web.AppKey("ASSETS", Assets)
NAVIGATION = web.AppKey("NAVIGATION", Navigation)
PERSON_LOADER: web.AppKey[PersonLoader] = web.AppKey("PERSON_LOADER")
COUNTER_LOADER: web.AppKey[CounterLoader] = web.AppKey("COUNTER_LOADER")
LANGUAGE_KEEPER: web.AppKey[LanguageKeeper] = web.AppKey("LANGUAGE_KEEPER")

REQUEST_ID = web.RequestKey("REQUEST_ID", str)
PERSON: web.RequestKey[Person | None] = web.RequestKey("PERSON")
COUNTERS: web.RequestKey[Mapping[str, int]] = web.RequestKey("COUNTERS")
