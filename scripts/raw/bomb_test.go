package raw

import (
	"bytes"
	"crypto/ed25519"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"zhucun/shared/identity"
	"zhucun/shared/wire"
	"zhucun/shared/wire/blocksort"
)

// Each row is a short message that says it is a long one. Whoever sends it has a
// code or a device's token; the server answers that it is too large, in memory that
// does not follow it.
func TestBombs(t *testing.T) {
	t.Parallel()
	r := newRaw(t)
	var issued struct{ Code string }
	if err := r.server.JSON(t.Context(), &issued, "enrol", "--village", village, "--role", "team_member", "--name", "李队员"); err != nil {
		t.Fatal(err)
	}
	code, err := identity.ParseCode(issued.Code)
	if err != nil {
		t.Fatal(err)
	}
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	asked, err := wire.Encode(&wire.Enrol{Version: wire.Version, Code: code.ID, Secret: code.Secret, Key: public, Agent: "test"}, wire.Quick)
	if err != nil {
		t.Fatal(err)
	}
	status, answer := r.post(wire.EnrolPath, "", asked)
	var device wire.Enrolled
	if err := wire.Unmarshal(answer, wire.MaxUnpacked, &device); status != http.StatusOK || err != nil {
		t.Fatal(status, err)
	}
	before := r.stored()
	if err := r.server.ClearPeak(); err != nil {
		t.Fatal(err)
	}
	calm, err := r.server.Memory()
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 300<<20)
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	packedZeros := z.EncodeAll(zeros, nil)
	// A frame that says how much it is, and one that does not.
	var quiet bytes.Buffer
	stream, err := zstd.NewWriter(&quiet, zstd.WithWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	stream.Write(zeros)
	stream.Close()
	sorted := blocksort.Append(nil, zeros[:128<<20])
	for _, tt := range []struct {
		name string
		how  byte // the way a message is packed
		body []byte
	}{
		{"zstd", 1, packedZeros},
		{"zstd that does not say how much", 1, quiet.Bytes()},
		{"zstd with the dictionary", 2, packedZeros},
		{"zstd with the dictionary, that does not say how much", 2, quiet.Bytes()},
		{"bzip2", 3, sorted},
		{"bzip2 of bzip2", 3, blocksort.Append(nil, sorted)},
	} {
		message := append([]byte{'Z', 'C', 0xB7, wire.Version, tt.how}, tt.body...)
		var many sync.WaitGroup
		for range 8 {
			for _, path := range []string{wire.EnrolPath, wire.SyncPath} {
				many.Go(func() {
					sent := message
					if path == wire.SyncPath {
						sent = append(make([]byte, 8), message...) // the clock
					}
					if status, _ := r.post(path, device.Token, sent); status != http.StatusRequestEntityTooLarge && status != http.StatusBadRequest && status != http.StatusServiceUnavailable {
						t.Errorf("%s, %s: %d", path, tt.name, status)
					}
				})
			}
		}
		many.Wait()
	}
	if m, err := r.server.Memory(); err != nil || m.Peak > calm.Resident+320<<20 {
		t.Errorf("the server took %d MB, %d before; %v", m.Peak>>20, calm.Resident>>20, err)
	} else {
		t.Logf("the server took %d MB, %d before", m.Peak>>20, calm.Resident>>20)
	}
	r.ordinary()
	r.unharmed(before)
}

// post sends a message to an agents' door.
func (r *raw) post(path, token string, message []byte) (int, []byte) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, r.server.URL+path, bytes.NewReader(message))
	if err != nil {
		r.Error(err)
		return 0, nil
	}
	request.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(request)
	if err != nil {
		r.Error(err)
		return 0, nil
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.Error(err)
	}
	return res.StatusCode, answer
}
