// The other side of tests/interop: Fedify verifies what a Spalier node makes, and
// makes what a Spalier node verifies. Everything that decides is Fedify's own code;
// here it only gets its arguments. The process prints its port.
//
//   POST /inbox                     any signed request; Fedify verifies the signature
//   POST /keys {id, owner, raw}     an Ed25519 key that /inbox shall know
//   POST /verify-object {url}       fetch a document and verify its object proofs
//   POST /verify-document {document}  the same for a document that is handed over
//   POST /signed-object {id, actor, created?}  a Create with Fedify's object proof
//   POST /send {url, body, keyId, nonce?}  sign by RFC 9421, send, tell what was sent
//   GET /actor                      the actor with the RSA key of /send
//   POST /sign-with-ed25519 {}      what Fedify says to an Ed25519 key for requests

import {
  generateCryptoKeyPair,
  signObject,
  signRequest,
  verifyObject,
  verifyRequestDetailed,
} from "@fedify/fedify/sig";
import {
  Application,
  Create,
  CryptographicKey,
  Note,
  Object as APObject,
} from "@fedify/vocab";
import {
  exportMultibaseKey,
  exportSpki,
  getDocumentLoader,
} from "@fedify/vocab-runtime";
import { Temporal } from "@js-temporal/polyfill";
import { open } from "./http-door.mjs";

// Fedify carries the contexts that our documents name, so nothing but documents of
// this machine is ever loaded.
const documentLoader = getDocumentLoader({ allowPrivateAddress: true });
const contextLoader = documentLoader;
const fetched = [];

// As documentLoader, and remembers what was asked for.
async function watchedLoader(url) {
  fetched.push(url);
  return await documentLoader(url);
}

const rsa = await generateCryptoKeyPair("RSASSA-PKCS1-v1_5");
const ed25519 = await generateCryptoKeyPair("Ed25519");
const keys = new Map();
const keyCache = {
  get: async (id) => keys.get(id.href),
  set: async () => {},
};

async function addKey({ id, owner, raw }) {
  const publicKey = await crypto.subtle.importKey(
    "raw", Buffer.from(raw, "base64"), "Ed25519", true, ["verify"],
  );
  keys.set(
    id,
    new CryptographicKey({ id: new URL(id), owner: new URL(owner), publicKey }),
  );
  return {};
}

async function inbox(request) {
  const result = await verifyRequestDetailed(request, {
    documentLoader,
    contextLoader,
    keyCache,
    spec: "rfc9421",
  });
  return result.verified
    ? Response.json({ key: result.key.id.href }, { status: 202 })
    : Response.json({ reason: result.reason }, { status: 401 });
}

async function verifyFetched({ url }) {
  fetched.length = 0;
  const { document } = await watchedLoader(url);
  return { ...(await verifyDocument({ document })), fetched };
}

async function verifyDocument({ document }) {
  const object = await verifyObject(APObject, document, {
    documentLoader: watchedLoader,
    contextLoader,
  });
  return {
    verified: object != null,
    type: object?.constructor.name ?? null,
    name: object?.name?.toString() ?? null,
  };
}

async function signedObject({ id, actor, created }) {
  const note = new Note({
    id: new URL(`${id}#note`),
    attribution: new URL(actor),
    content: "Grüße aus Fedify: 1 € — ‚fünf‘",
  });
  const create = new Create({ id: new URL(id), actor: new URL(actor), object: note });
  const signed = await signObject(create, ed25519.privateKey, new URL(`${actor}#key`), {
    documentLoader,
    contextLoader,
    created: created == null ? undefined : Temporal.Instant.from(created),
  });
  return {
    document: await signed.toJsonLd({ contextLoader }),
    multibase: await exportMultibaseKey(ed25519.publicKey),
  };
}

async function send({ url, body, nonce, keyId }) {
  const unsigned = new Request(url, {
    method: "POST",
    headers: { "Content-Type": "application/activity+json" },
    body,
  });
  const options = { spec: "rfc9421", rfc9421: nonce == null ? {} : { nonce } };
  const signed = await signRequest(unsigned, rsa.privateKey, new URL(keyId), options);
  const headers = [...signed.headers];
  const answer = await fetch(signed);
  return {
    headers,
    publicKeyPem: await exportSpki(rsa.publicKey),
    status: answer.status,
    answer: await answer.text(),
    challenge: answer.headers.get("Accept-Signature"),
  };
}

async function actorOf(request) {
  const id = new URL(request.url);
  const publicKey = new CryptographicKey({
    id: new URL("#main-key", id),
    owner: id,
    publicKey: rsa.publicKey,
  });
  const actor = new Application({ id, inbox: new URL("/inbox", id), publicKey });
  return Response.json(await actor.toJsonLd({ contextLoader }), {
    headers: { "Content-Type": "application/activity+json" },
  });
}

async function refusesEd25519ForRequests() {
  const request = new Request("http://127.0.0.1/", { method: "GET" });
  try {
    await signRequest(request, ed25519.privateKey, new URL("http://127.0.0.1/#key"), {
      spec: "rfc9421",
    });
  } catch (error) {
    return { error: String(error) };
  }
  return { error: null };
}

const commands = {
  "/keys": addKey,
  "/verify-object": verifyFetched,
  "/verify-document": verifyDocument,
  "/signed-object": signedObject,
  "/send": send,
  "/sign-with-ed25519": refusesEd25519ForRequests,
};

await open(async (request) => {
  const path = new URL(request.url).pathname;
  if (path === "/inbox") return await inbox(request);
  if (path === "/actor") return await actorOf(request);
  if (!(path in commands)) return new Response(null, { status: 404 });
  return Response.json(await commands[path](await request.json()));
});
