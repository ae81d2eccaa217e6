package layers

// line is one package of a folder, with the packages inside it.
type line struct{ name, why string }

// order has, for each folder, its packages from the top down: an import runs
// from an upper line to a lower one.
//
// agent and server use wire to talk to each other, and bundle where there is
// no network. Both may import the rest of shared too, so the test cannot hold
// them to that; it is how they are meant to meet.
var order = map[string][]line{
	"agent": {
		{"main", "starts cli and nothing else; written as the folder itself"},
		{"cli", "builds a running agent out of all the others, so it sees them all"},
		{"web", "local pages: shows what sync and inbox report, and saves to the store"},
		{"finder", "by what households are found; in memory alone, told what there is by web"},
		{"help", "what people are told to do; knows nothing of the pages that show it"},
		{"diagnosis", "what is told to the office of a laptop that ails; reads the store and changes nothing"},
		{"backup", "copies of the store on another drive; the pages and commands ask it"},
		{"syncclient", "carries what is in the store; knows nothing of who asks it to"},
		{"inbox", "turns files into saved changes; works the same without any sync"},
		{"table", "reads the rows of a sheet as answers to a form; saves nothing"},
		{"store", "the one file everything is in; must not know who uses it"},
		{"vault", "keeps the key of the store; knows no store"},
		{"drive", "the machine's drives and what is free on them; keeps nothing"},
		{"picture", "makes a photo small; knows nothing of where it goes"},
	},
	"server": {
		{"main", "starts cli and nothing else; written as the folder itself"},
		{"cli", "builds a running server out of all the others, so it sees them all"},
		{"web", "pages of the office: over export, review and access"},
		{"api", "what other programs read by; has no pages and changes nothing"},
		{"webhook", "tells others what has changed; asks nobody but the store"},
		{"monitor", "how the server is, for whoever runs it; sees counts alone"},
		{"odata", "reads what spreadsheets ask for, and describes the tables to them; knows no records"},
		{"syncapi", "the agents' door; has no pages"},
		{"export", "tables and files; offered by web and cli, reads what review has settled"},
		{"xlsform", "forms and rules as workbooks; knows what a form may be, and no records"},
		{"review", "decisions on conflicts; asks access who may decide"},
		{"access", "users, roles, devices: everything above asks it, it asks the store"},
		{"backup", "the file that a server is restored from; knows bytes and their names"},
		{"store", "one Store over SQL; must not know who uses it"},
		{"blob", "files by their content; knows no records and no devices"},
	},
	"shared": {
		{"wire", "the messages of a sync: carry journal entries and merged records"},
		{"pack", "makes bytes small; knows nothing of what they say"},
		{"bundle", "the same journal entries in a file"},
		{"journal", "signed, chained changes; opens them for merge"},
		{"blob", "the names of files and what proves that a server has one; reads no record"},
		{"sheet", "rows and cells of files; knows not what they mean"},
		{"edition", "forms and rules as the office has published them"},
		{"figure", "what villages are accounted for by; reads values, knows no states"},
		{"kin", "who is of which household; reads values, knows no states"},
		{"alike", "which records may be the same; reads values, knows no states"},
		{"merge", "changes to a record's state; asks the form for the policy"},
		{"flow", "through which states records go, and who may take a step; a table"},
		{"form", "which fields a record has and what may stand in them"},
		{"record", "what a record and a change are"},
		{"pinyin", "how characters are read and typed; knows no records"},
		{"escrow", "the key of a laptop's data, for its server alone"},
		{"identity", "keys and signatures; knows no records"},
		{"clock", "timestamps; knows nothing"},
	},
}

// folders says which folders a folder may import besides itself.
var folders = map[string][]string{
	"scripts": {"agent", "server", "shared"},
	"agent":   {"shared"},
	"server":  {"shared"},
	"shared":  {},
}

// sharedRefuses are the standard packages that reach a disk, a network or
// another process. What shared gets of those it is passed.
var sharedRefuses = []string{"os", "os/exec", "os/signal", "os/user", "net", "net/http", "net/http/httputil", "net/rpc", "net/smtp", "syscall", "io/ioutil"}

// vagueNames say nothing about what is inside.
var vagueNames = []string{"util", "utils", "common", "helper", "helpers", "misc"}

// topLevel is what the repository's first folder may hold, besides files and
// folders that begin with a dot.
var topLevel = []string{"agent", "server", "shared", "scripts", "go.mod", "go.sum", "README.md"}

// maxLines of one file written by hand: beyond, it holds more than one thing.
const maxLines = 700
