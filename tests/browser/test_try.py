async def test_try(world, people):
    w = await people.known(world.optence, world.optence.node.member)
    p = await w.new_page()
    await p.goto("/start")
    print(await p.title())
    print(world.optence.base_url, world.password)
