package rules

import (
	"embed"
	"io/fs"
)

//go:embed default/*.yaml
var starter embed.FS

// Starter returns the rule files of a new installation, to be copied and edited: a commented routes.yaml.
func Starter() fs.FS {
	files, err := fs.Sub(starter, "default")
	if err != nil {
		panic(err) // the directory is embedded
	}
	return files
}
