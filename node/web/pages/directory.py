"""The directory of clusters: printed facts with their source, to be filtered."""

from aiohttp import web

from node.directory import DirectoryCluster, load_directory
from node.feed.folding import fold, query_words
from node.limits import SEARCH_CHARACTERS_MAX
from node.web.i18n import current_language
from node.web.pages.entry_fields import region_words
from node.web.pages.wording import term
from node.web.rendering import render

PATH = "/clusterverzeichnis"


async def show_directory(request: web.Request) -> web.Response:
    """Show the clusters that fit the filters of the query string."""
    clusters = load_directory()
    countries = {code for each in clusters for code in each.countries}
    regions = {code for each in clusters for code in each.regions}
    country = _one_of(countries, request.query.get("land", ""))
    region = _one_of(regions, request.query.get("region", ""))
    text = request.query.get("q", "").strip()[:SEARCH_CHARACTERS_MAX]
    found = [
        each
        for each in clusters
        if _fits(each, country=country, region=region, text=text)
    ]
    return render(
        request,
        "pages/directory.html",
        {
            "clusters": found,
            "total": len(clusters),
            "text": text,
            "country": country,
            "region": region,
            "countries": _choices(countries, "countries"),
            "regions": _choices(regions, "regions"),
            "fields": _fields,
            "region_names": _region_names,
            "filtered": bool(country or region or text),
        },
    )


def _one_of(known: set[str], wanted: str) -> str:
    return wanted if wanted in known else ""


def _choices(codes: set[str], name: str) -> list[tuple[str, str]]:
    named = [(code, term(name, code)) for code in codes]
    return sorted(named, key=lambda choice: choice[1].casefold())


def _fields(cluster: DirectoryCluster) -> str:
    by_language = cluster.fields
    words = by_language.get(current_language().code) or by_language.get("en", ())
    return ", ".join(words)


def _region_names(cluster: DirectoryCluster) -> str:
    """Name regions; where the country is not clear from them, the countries, too."""
    regions = [region_words(code) for code in cluster.regions]
    countries = [region_words(code) for code in cluster.countries]
    return ", ".join([*regions, *countries])


def _fits(cluster: DirectoryCluster, *, country: str, region: str, text: str) -> bool:
    if country and country not in cluster.countries:
        return False
    if region and region not in cluster.regions:
        return False
    words = query_words(text)
    if not words:
        return not text
    own = (
        cluster.name,
        *cluster.aliases,
        *(field for fields in cluster.fields.values() for field in fields),
        *cluster.description.values(),
    )
    held = fold(" ".join(own))
    return all(word in held for word in words)


def register(app: web.Application) -> None:
    """Add the page."""
    app.router.add_get(PATH, show_directory)
