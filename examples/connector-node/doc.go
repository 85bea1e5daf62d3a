// Package connectornode holds no Go but tests: it is a connector in JavaScript, which proves that the wire belongs to no language.
package connectornode
