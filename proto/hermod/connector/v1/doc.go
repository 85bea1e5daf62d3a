// Package connectorv1 is the generated code of the contract between the engine and a connector, version 1.
package connectorv1
