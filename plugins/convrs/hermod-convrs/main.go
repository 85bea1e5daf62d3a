// Command hermod-convrs is the connector program for Convrs. The engine starts it; it is of no use by hand.
package main

import (
	"github.com/hermodhq/hermod/plugins/convrs"
	"github.com/hermodhq/hermod/sdk/connector"
)

func main() { connector.Serve(convrs.New()) }
