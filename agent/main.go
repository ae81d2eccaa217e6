// Command zhucun-agent keeps a village work team's records on a laptop and
// syncs them by itself.
package main

import (
	"context"
	"os"

	"zhucun/agent/cli"
)

func main() { os.Exit(cli.Main(context.Background(), os.Args[1:])) }
