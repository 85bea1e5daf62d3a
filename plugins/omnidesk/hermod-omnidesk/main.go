// Command hermod-omnidesk is the connector program for Omnidesk. The engine starts it; it is of no use by hand.
package main

import (
	"github.com/hermodhq/hermod/plugins/omnidesk"
	"github.com/hermodhq/hermod/sdk/connector"
)

func main() { connector.Serve(omnidesk.New()) }
