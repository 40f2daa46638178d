// Sign in, write posts, each once, page through them newest first and handle a 412, with the generated client.
import assert from "node:assert/strict";

import { createPost, createToken, getPost, listPosts, updatePost } from "./generated";
import { client } from "./generated/client.gen";

const [url, username, password] = process.argv.slice(2);

async function main(): Promise<void> {
  client.setConfig({ baseUrl: url });
  const token = await createToken({ body: { grant_type: "password", username, password } });
  assert(token.data);
  client.setConfig({ auth: token.data.access_token });
  const renewed = await createToken({
    body: { grant_type: "refresh_token", refresh_token: token.data.refresh_token },
  });
  assert(renewed.data);
  client.setConfig({ auth: renewed.data.access_token });

  const ids: number[] = [];
  for (const title of ["One", "Two", "Three"]) {
    const post = { body: { title }, headers: { "Idempotency-Key": title } };
    const created = await createPost(post);
    const again = await createPost(post);
    assert(created.data);
    assert.deepEqual(again.data, created.data);
    assert.equal(again.response?.headers.get("Idempotent-Replayed"), "true");
    ids.unshift(created.data.id);
  }
  const author_id = (await getPost({ path: { post_id: ids[0] } })).data!.author_id!;
  const found: number[] = [];
  for (let after: number | undefined; ; after = found.at(-1)) {
    const page = await listPosts({ query: { author_id, sort: "-id", limit: 2, after } });
    assert(page.data);
    found.push(...page.data.map((post) => post.id));
    if (!page.response?.headers.has("Link")) break;
  }
  assert.deepEqual(found, ids);

  const path = { post_id: ids[0] };
  const etag = (await getPost({ path })).response!.headers.get("ETag")!;
  const headers = { "If-Match": etag };
  const first = await updatePost({ path, headers, body: { title: "First" } });
  const second = await updatePost({ path, headers, body: { title: "Second" } });
  assert.equal(first.data?.title, "First");
  assert.equal(second.response?.status, 412);
  assert.equal(second.error?.title, "Precondition Failed");
}

void main();
