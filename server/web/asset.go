package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
)

//go:embed assets
var assetFiles embed.FS

// asset is one embedded file with the hash that its address has.
type asset struct {
	content []byte
	kind    string
	hash    string
}

var assets = func() map[string]asset {
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	files, err := assetFiles.ReadDir("assets")
	if err != nil {
		panic(err) // embedded
	}
	m := map[string]asset{}
	for _, f := range files {
		content, err := assetFiles.ReadFile("assets/" + f.Name())
		if err != nil {
			panic(err)
		}
		h := sha256.Sum256(content)
		m[f.Name()] = asset{content, kinds[path.Ext(f.Name())], hex.EncodeToString(h[:8])}
	}
	return m
}()

// assetPath is the address of a file: another one when its content changes, so
// that browsers may keep it for ever.
func assetPath(name string) string { return "/assets/" + assets[name].hash + "/" + name }

func serveAsset(w http.ResponseWriter, r *http.Request) {
	a, found := assets[r.PathValue("name")]
	if !found || a.hash != r.PathValue("hash") {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", a.kind)
	w.Write(a.content)
}
