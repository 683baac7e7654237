// The client, for pages of one's own: built from client/ by `make client`, which also sees
// to it that what is committed is what its source makes.

package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed client/dist/*.js client/dist/*.mjs
var clientFiles embed.FS

// Client returns the files of the client, each under two paths: /client.js, which is looked
// up anew after a few minutes, and /client-DIGEST.js, which never changes. Pages of any
// origin may load them.
func Client() ([]Asset, error) {
	names, err := fs.Glob(clientFiles, "client/dist/*")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	var assets []Asset
	for _, name := range names {
		body, err := clientFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		path := strings.TrimPrefix(name, "client/dist")
		stem, extension, _ := strings.Cut(path, ".")
		digest := sha256.Sum256(body)
		fixed := stem + "-" + hex.EncodeToString(digest[:6]) + "." + extension
		kind, err := contentType(name)
		if err != nil {
			return nil, err
		}
		assets = append(assets,
			Asset{Path: path, ContentType: kind, Headers: clientHeaders("max-age=300", fixed), Body: body},
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
