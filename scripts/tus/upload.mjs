// Uploads a file with the stock tus client: node upload.mjs ENDPOINT TOKEN FILE
// It stops in the middle, takes up again what it was at, and then gives another up.
import fs from "node:fs"
import * as tus from "tus-js-client"

const [endpoint, token, path] = process.argv.slice(2)
const size = fs.statSync(path).size
const options = {
  endpoint,
  chunkSize: 100_000,
  retryDelays: [0, 100],
  headers: { Authorization: "Bearer " + token },
  metadata: { filename: "IMG_0001.JPG", filetype: "image/jpeg" },
}

function upload(stopAt, more) {
  return new Promise((resolve, reject) => {
    let name = ""
    const u = new tus.Upload(fs.createReadStream(path, { start: 0 }), {
      ...options,
      ...more,
      uploadSize: size,
      onError: reject,
      onAfterResponse: (_, res) => { name = res.getHeader("Zhucun-Name") || name },
      onChunkComplete: (_, done) => { if (stopAt && done >= stopAt) u.abort().then(() => resolve({ url: u.url, done })) },
      onSuccess: () => resolve({ url: u.url, name }),
    })
    u.start()
  })
}

const first = await upload(size / 3)
const whole = await upload(0, { uploadUrl: first.url })
const given = await upload(size / 3)
await tus.Upload.terminate(given.url, options)
console.log(JSON.stringify({ stopped: first.done, same: first.url === whole.url, name: whole.name, given: given.url }))
