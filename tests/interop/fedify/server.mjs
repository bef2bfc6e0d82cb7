// A small Fedify server: one actor whose inbox takes signed Creates of Notes and
// counts them. Also made for comparisons under load.
//
//   node server.mjs [PORT]    prints its port
//
// Actor /users/cluster, inbox /users/cluster/inbox and /inbox; GET /count gives
// {"notes": N}. Fedify fetches a sender's actor once and keeps its keys.

import {
  createFederation,
  generateCryptoKeyPair,
  MemoryKvStore,
} from "@fedify/fedify";
import { Application, Create, Note } from "@fedify/vocab";
import { open } from "./http-door.mjs";

const IDENTIFIER = "cluster";
const federation = createFederation({
  kv: new MemoryKvStore(),
  allowPrivateAddress: true,
});
const pairs = [
  await generateCryptoKeyPair("RSASSA-PKCS1-v1_5"),
  await generateCryptoKeyPair("Ed25519"),
];
let notes = 0;

federation
  .setActorDispatcher("/users/{identifier}", async (context, identifier) => {
    if (identifier !== IDENTIFIER) return null;
    const keys = await context.getActorKeyPairs(identifier);
    return new Application({
      id: context.getActorUri(identifier),
      preferredUsername: identifier,
      name: "Fedify",
      inbox: context.getInboxUri(identifier),
      publicKey: keys[0].cryptographicKey,
      assertionMethods: keys.map((key) => key.multikey),
    });
  })
  .setKeyPairsDispatcher((_context, identifier) =>
    identifier === IDENTIFIER ? pairs : []
  );

federation
  .setInboxListeners("/users/{identifier}/inbox", "/inbox")
  .on(Create, async (context, create) => {
    const object = await create.getObject(context);
    if (object instanceof Note) notes += 1;
  });

await open(
  async (request) =>
    new URL(request.url).pathname === "/count"
      ? Response.json({ notes })
      : await federation.fetch(request, { contextData: undefined }),
  { port: Number(process.argv[2] ?? 0) },
);
