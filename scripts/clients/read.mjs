// Reads an office by stock clients: read.mjs ADDRESS NAME TOKEN. Prints what was found.
import { createRequire } from 'node:module';
import SwaggerParser from '@apidevtools/swagger-parser';
import Ajv from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { o } from 'odata';

const require = createRequire(import.meta.url);
const build = require('odata-query').default;
const csdl = require('odata-csdl/lib/xml2json');

const [base, name, token] = process.argv.slice(2);
const bearer = { Authorization: 'Bearer ' + token };
const basic = { Authorization: 'Basic ' + Buffer.from(name + ':' + token).toString('base64') };
const found = { faults: [], answers: 0, sets: 0 };
const fault = (...words) => found.faults.push(words.join(' ').slice(0, 500));

async function read(path, head = bearer) {
  const answer = await fetch(path.startsWith('http') ? path : base + path, { headers: head });
  const body = await answer.text();
  if (answer.status === 429) { // quicker than a token may ask
    await new Promise((done) => setTimeout(done, 1000 * answer.headers.get('Retry-After')));
    return read(path, head);
  }
  return { status: answer.status, kind: answer.headers.get('Content-Type'), body, json: answer.headers.get('Content-Type').includes('json') ? JSON.parse(body) : null };
}

// What the description does not name must not be in an answer.
function strict(schema, seen = new Set()) {
  if (typeof schema !== 'object' || schema === null || seen.has(schema)) return;
  seen.add(schema);
  if (schema.type === 'object' && schema.properties && schema.additionalProperties === undefined) schema.additionalProperties = false;
  for (const part of Object.values(schema)) strict(part, seen);
}

const described = (await read('/api/openapi.json')).json;
await SwaggerParser.validate(structuredClone(described));
const api = await SwaggerParser.dereference(structuredClone(described));
strict(api.components.schemas);
strict(api.paths);
const ajv = new Ajv({ allErrors: true, strict: false });
formats(ajv);
const problem = ajv.compile(api.components.schemas.problem);

async function agrees(path, operation) {
  const answer = await read(path);
  if (answer.status !== 200) {
    if (!problem(answer.json)) fault(path, answer.status, ajv.errorsText(problem.errors));
    return answer;
  }
  const kind = Object.keys(operation.responses['200'].content)[0];
  if (!answer.kind.startsWith(kind.split(';')[0])) fault(path, 'is', answer.kind);
  const check = ajv.compile(operation.responses['200'].content[kind].schema);
  if (!check(answer.json)) fault(path, ajv.errorsText(check.errors), answer.body.slice(0, 200));
  found.answers++;
  return answer;
}

const first = {};
for (const [path, item] of Object.entries(api.paths)) {
  const type = path.split('/')[3];
  if (!path.includes('{id}')) {
    const answer = await agrees(path, item.get);
    first[type] = answer.json.records?.[0]?.id;
    for (const p of item.get.parameters ?? []) {
      if (p.name === 'limit' && !problem((await read(path + '?limit=0')).json)) fault(path, 'limit=0');
    }
  } else if (first[type]) {
    await agrees(path.replace('{id}', first[type]), item.get);
  } else {
    const answer = await agrees(path.replace('{id}', '01900000-0000-7000-8000-00000000ffff'), item.get);
    if (answer.status !== 404) fault(path, answer.status);
  }
}

// OData: what the metadata says is what the rows have.
const metadata = csdl.xml2json((await read('/odata/$metadata', basic)).body, { strict: true });
const service = (await read('/odata/', basic)).json;
for (const set of service.value) {
  const type = metadata.zhucun[set.name];
  const rows = (await read('/odata/' + set.url + '?$top=1', basic)).json.value;
  const names = Object.keys(type).filter((n) => !n.startsWith('$') && !n.startsWith('@'));
  for (const row of rows) {
    if (JSON.stringify(Object.keys(row)) !== JSON.stringify(names)) fault(set.name, Object.keys(row).join(), 'is not', names.join());
    for (const [n, v] of Object.entries(row)) {
      const kind = type[n].$Type ?? 'Edm.String';
      const right = v === null || { 'Edm.String': typeof v === 'string', 'Edm.Int64': Number.isInteger(v), 'Edm.Double': typeof v === 'number', 'Edm.Boolean': typeof v === 'boolean',
        'Edm.Date': /^\d{4}-\d\d-\d\d$/.test(v), 'Edm.DateTimeOffset': !Number.isNaN(Date.parse(v)), 'Edm.Guid': /^[0-9a-f-]{36}$/.test(v) }[kind];
      if (!right) fault(set.name, n, kind, v);
    }
  }
  found.sets++;
}

const ask = build({
  filter: { and: [{ poverty_status: { in: ['exited', 'new'] } }, { arable_mu: { gt: 0.3 } }, { head_name: { contains: '大' } }, { not: { group_name: 'x' } }] },
  select: ['id', 'head_name', 'poverty_status_label'], orderBy: ['head_name desc'], count: true, top: 10,
});
const asked = (await read('/odata/household' + ask, basic)).json;
found.asked = { count: asked['@odata.count'], rows: asked.value };

const client = o(base + '/odata/', { headers: basic });
found.filtered = (await client.get('household').query({ $filter: "startswith(head_name,'王')", $select: 'head_name' })).map((r) => r.head_name);
found.names = [];
for (let at = '/odata/household?$select=head_name&$orderby=head_name'; at; ) {
  const page = (await read(at, { ...basic, Prefer: 'odata.maxpagesize=2' })).json;
  found.names.push(...page.value.map((r) => r.head_name));
  at = page['@odata.nextLink'];
}
console.log(JSON.stringify(found));
