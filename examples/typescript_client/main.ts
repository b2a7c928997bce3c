// Two records validated at once, then as a batch, with the types that graphql-codegen made.

import { createClient } from "graphql-ws";
import {
  CreateBatchDocument,
  FollowBatchDocument,
  ResultsDocument,
  ValidateDocument,
  type FollowBatchSubscription,
  type RecordInput,
  type ResultsQuery,
  type TypedDocumentString,
} from "./assay.ts";

const url = `${process.env.ASSAY_URL}/graphql`;
const key = { Authorization: `Bearer ${process.env.ASSAY_API_KEY}` };
const records: RecordInput[] = [
  { ref: "1", email: "Valid@Example.com" },
  { ref: "2", email: "no@where@example.com" },
];

/** Ask by POST; a refusal is thrown as its code. */
async function ask<Data, Variables>(
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
): Promise<Data> {
  const answer = await fetch(url, {
    method: "POST",
    headers: { ...key, "Content-Type": "application/json" },
    body: JSON.stringify({ query: document, variables }),
  });
  const { data, errors } = (await answer.json()) as {
    data: Data;
    errors?: { extensions: { code: string } }[];
  };
  if (errors) throw new Error(errors[0].extensions.code);
  return data;
}

/** Wait for the verdicts. */
async function validate(): Promise<void> {
  const { results } = (await ask(ValidateDocument, { records })).validate;
  for (const { ref, status, email } of results) {
    const reasons = email?.reasons.map(({ code }) => code) ?? [];
    console.log(ref, status, email?.normalized ?? "-", ...reasons);
  }
}

/** Leave the records to Assay, follow how far it is, and fetch what it found. */
async function batch(): Promise<void> {
  // who sends this again with the same key gets the same batch
  const input = { records, start: true, idempotencyKey: "first-steps" };
  const { batch: made, errors: why } = (await ask(CreateBatchDocument, { input })).createBatch;
  if (!made || why.length > 0) throw new Error(`${why[0].code}: ${why[0].message}`);

  const socket = createClient({ url: url.replace("http", "ws"), connectionParams: key });
  let state;
  for await (const { data, errors } of socket.iterate<FollowBatchSubscription>({
    query: FollowBatchDocument.toString(),
    variables: { id: made.id },
  })) {
    if (!data) throw new Error(`${errors?.[0].extensions?.code}`);
    state = data.batchStatus.state;
    console.error(data.batchStatus.recordsDone, "of", data.batchStatus.records);
  }
  console.log("batch", state);

  let after: string | null = null;
  do {
    const found: ResultsQuery = await ask(ResultsDocument, { id: made.id, after });
    if (!found.batch) throw new Error("NOT_FOUND");
    const { nodes, pageInfo } = found.batch.results;
    for (const { ref, status } of nodes) console.log(ref, status);
    after = pageInfo.hasNextPage ? pageInfo.endCursor : null;
  } while (after !== null);
}

await validate();
await batch();
