// The client and the renderer of flying comments, for pages of one's own: built from client/
// and danmaku/ by `make web`; `make client` and `make danmaku` see to it that what is
// committed is what their sources make.

package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed client/dist/*.js client/dist/*.mjs danmaku/dist/*.js danmaku/dist/*.mjs
var clientFiles embed.FS

// Client returns the files of both, each under two paths: /client.js, which is looked up anew
// after a few minutes, and /client-DIGEST.js, which never changes. Pages of any origin may
// load them.
func Client() ([]Asset, error) {
	names, err := fs.Glob(clientFiles, "*/dist/*")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	var assets []Asset
	for _, name := range names {
		body, err := clientFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		latest := "/" + path.Base(name)
		stem, extension, _ := strings.Cut(latest, ".")
		digest := sha256.Sum256(body)
		fixed := stem + "-" + hex.EncodeToString(digest[:6]) + "." + extension
		kind, err := contentType(name)
		if err != nil {
			return nil, err
		}
		assets = append(assets,
			Asset{Path: latest, ContentType: kind, Headers: clientHeaders("max-age=300", fixed), Body: body},
			Asset{Path: fixed, ContentType: kind, Headers: clientHeaders("max-age=31536000, immutable", fixed), Body: body})
	}
	return assets, nil
}

// clientHeaders tells the name that never changes, for those who want to write it into a page.
func clientHeaders(cache, fixed string) []Header {
	return []Header{
		{"Access-Control-Allow-Origin", "*"},
		{"Cross-Origin-Resource-Policy", "cross-origin"},
		{"X-Content-Type-Options", "nosniff"},
		{"Cache-Control", "public, " + cache},
		{"Content-Location", fixed},
	}
}
