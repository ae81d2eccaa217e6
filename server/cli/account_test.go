package cli

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"zhucun/shared/form"
)

// Whoever writes himself an account into the data, or more roles, is found: the audit, which
// nobody signs for him, says nothing of it.
func TestVerifyAccounts(t *testing.T) {
	for name, does := range map[string]string{
		"more roles": `UPDATE account SET roles = '["admin","office","leader"]'`,
		"another":    `UPDATE account SET login = 'thief'`,
	} {
		t.Run(name, func(t *testing.T) {
			s := &shell{T: t, data: filepath.Join(t.TempDir(), "data"), lang: form.Zh}
			s.must("init")
			s.must("verify")
			db, err := sql.Open("sqlite", filepath.Join(s.data, databaseFile))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if _, err := db.Exec(does); err != nil {
				t.Fatal(err)
			}
			if out, errs, status := s.run("verify"); status != 1 || !strings.Contains(out, "账号 ") || !strings.Contains(errs, "数据与日志不符") {
				t.Errorf("%d, %s%s", status, out, errs)
			}
		})
	}
}
