// The story with mongodb-atlas-api-client, from the folder that has it: JSON comes in, JSON goes out.
"use strict";

const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");

const given = JSON.parse(readFileSync(0, "utf8"));
const getClient = createRequire(`${given.installed}/`)("mongodb-atlas-api-client");

const tell = (facts) => console.log(JSON.stringify(facts));
const ids = (list) => list.results.map((each) => each.id);

async function main() {
  const { cloudBackup, cluster, organization, project } = getClient(given.client);
  const asked = given.httpOptions ? { httpOptions: given.httpOptions } : {};

  tell({ organizations: ids(await organization.getAll(asked)) });
  tell({ projects: ids(await project.getAll(asked)) });
  const pages = [];
  let page;
  do {
    page = await cluster.getAll({ ...asked, itemsPerPage: 1, pageNum: pages.length + 1 });
    pages.push(page.results.map((each) => each.name));
  } while (page.links.some((link) => link.rel === "next"));
  tell({ clusters: pages });
  tell({ snapshots: ids(await cloudBackup.getAllReplicaSetCloudBackups(given.cluster, asked)) });

  const created = await cloudBackup.createSnapshotRestoreJob(given.cluster, given.order, asked);
  let job = created;
  while (!("finishedAt" in job)) {
    job = await cloudBackup.getSnapshotRestoreJob(given.cluster, created.id, asked);
  }
  tell({ job });

  tell({ error: await cluster.get(given.unknown, asked) });
}

main();
