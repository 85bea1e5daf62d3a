// Package archtest holds the rules of this house as tests: which package may import which, how large things may grow,
// and a few habits that a compiler does not check.
//
// The rules read the sources in-process, so that the test cache sees every file they depend on. Each rule is a function
// over an [io/fs.FS] and is itself tested on small trees that break it. What is exempt stands in exceptions_test.go,
// with the reason.
package archtest
