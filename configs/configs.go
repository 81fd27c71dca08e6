// Package configs holds the ready configurations, which the demo uses as they stand.
package configs

import "embed"

// FS holds every YAML file of this folder.
//
//go:embed *.yaml
var FS embed.FS
