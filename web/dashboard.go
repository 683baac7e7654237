// The dashboard: what an operator sees who opens the admin address in a browser. It asks
// the API of the same address, and is served with the headers of Headers.

package web

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
)

//go:embed admin/page/*.html admin/page/*.js admin/page/*.css admin/dist/*.js admin/dist/*.css
var dashboardFiles embed.FS

// Dashboard returns the files of the dashboard: the page at "/", the others below
// /dashboard/. They have no secrets.
func Dashboard() ([]Asset, error) {
	names, err := fs.Glob(dashboardFiles, "admin/*/*")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	var assets []Asset
	for _, name := range names {
		body, err := dashboardFiles.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		kind, err := contentType(name)
		if err != nil {
			return nil, err
		}
		at := urlPath(path.Base(name))
		if at != "/" {
			at = "/dashboard" + at
		}
		assets = append(assets, Asset{Path: at, ContentType: kind, Body: body})
	}
	return assets, nil
}
