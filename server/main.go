// Command zhucun-server brings together what laptops recorded in the villages,
// and shows it to the office.
package main

import (
	"context"
	"os"

	"zhucun/server/cli"
)

func main() { os.Exit(cli.Main(context.Background(), os.Args[1:])) }
