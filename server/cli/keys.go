package cli

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"zhucun/server/export"
)

// keys are the server's, in DATA/keys.
type keys struct {
	folder   string
	identity ed25519.PrivateKey
}

const identityFile = "identity.key"

// readKeys reads the keys that makeKeys made.
func readKeys(data string) (*keys, error) {
	folder := filepath.Join(data, keysFolder)
	key, err := readKey(filepath.Join(folder, identityFile))
	if err != nil {
		return nil, err
	}
	id, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s holds a key of another kind", filepath.Join(folder, identityFile))
	}
	return &keys{folder, id}, nil
}

// makeKeys makes the identity key, or reads it where it is there.
func makeKeys(data string) (*keys, error) {
	folder := filepath.Join(data, keysFolder)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	k, err := readKeys(data)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return &keys{folder, key}, writeKey(filepath.Join(folder, identityFile), key)
}

func readKey(file string) (crypto.Signer, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%s is damaged: it holds no key", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", file, err)
	}
	s, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds a key of another kind", file)
	}
	return s, nil
}

func writeKey(file string, key crypto.Signer) error {
	b, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writeFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: b}))
}

// writeFile writes a file whole or not at all, whatever happens meanwhile.
func writeFile(file string, b []byte) error {
	return export.File(file, func(w io.Writer) error {
		_, err := w.Write(b)
		return err
	})
}

// How long certificates are good, and how long before their end they are made
// anew. Agents do not look at dates; browsers do not take more than 398 days.
const (
	caYears   = 50
	leafDays  = 397
	renewDays = 60
)

// certificates gives the chain that agents check, which ends in the identity
// key, and the certificate for browsers.
func (k *keys) certificates(hosts []string, now time.Time) (agents, pages tls.Certificate, err error) {
	ca, err := k.ca(now)
	if err != nil {
		return agents, pages, err
	}
	if agents, err = k.leaf("agent", hosts, now, ca); err != nil {
		return agents, pages, err
	}
	agents.Certificate = append(agents.Certificate, ca.Raw)
	pages, err = k.leaf("pages", hosts, now, nil)
	return agents, pages, err
}

// ca is the certificate of the identity key, signed by itself.
func (k *keys) ca(now time.Time) (*x509.Certificate, error) {
	file := filepath.Join(k.folder, "ca.crt")
	if b, err := os.ReadFile(file); err == nil {
		if block, _ := pem.Decode(b); block != nil {
			c, err := x509.ParseCertificate(block.Bytes)
			if err == nil && k.public().Equal(c.PublicKey) && now.Before(c.NotAfter) {
				return c, nil
			}
		}
	}
	raw, err := certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: "Zhucun server identity"}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(caYears, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil, k.identity.Public(), k.identity)
	if err != nil {
		return nil, err
	}
	if err := writeFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(raw)
}

// leaf reads a certificate and its key, or makes them where they are not
// there, run out soon, or are for other hosts. Without ca it is signed by
// itself.
func (k *keys) leaf(name string, hosts []string, now time.Time, ca *x509.Certificate) (tls.Certificate, error) {
	certFile, keyFile := filepath.Join(k.folder, name+".crt"), filepath.Join(k.folder, name+".key")
	if pair, err := tls.LoadX509KeyPair(certFile, keyFile); err == nil {
		c := pair.Leaf
		if now.AddDate(0, 0, renewDays).Before(c.NotAfter) && now.After(c.NotBefore) && covers(c, hosts) && (ca == nil || c.CheckSignatureFrom(ca) == nil) {
			return pair, nil
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	c := &x509.Certificate{
		Subject: pkix.Name{CommonName: hosts[0]}, NotBefore: now.AddDate(0, 0, -1), NotAfter: now.AddDate(0, 0, leafDays-1),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	var signer crypto.Signer = key
	if ca != nil {
		signer = k.identity
	}
	raw, err := certify(c, ca, key.Public(), signer)
	if err != nil {
		return tls.Certificate{}, err
	}
	// A new key beside an old certificate is no pair, and both are made anew.
	err = errors.Join(writeKey(keyFile, key), writeFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw})))
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, err
}

func covers(c *x509.Certificate, hosts []string) bool {
	return !slices.ContainsFunc(hosts, func(h string) bool { return c.VerifyHostname(h) != nil })
}

func certify(c, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	if c.SerialNumber = serial; parent == nil {
		parent = c
	}
	return x509.CreateCertificate(rand.Reader, c, parent, public, signer)
}

// tlsConfig gives agents the chain that ends in the identity key and browsers a
// certificate they can read. Own certificates of the operator's (given) are for
// browsers, and for every program that negotiates HTTP/2: agents do not.
//
// A laptop goes on with its last session without the certificates. The keys that tickets
// are sealed with are crypto/tls's own: new ones every day, each good for seven, in memory
// alone. They do not outlive the server: that would save every laptop 3 KB after each
// restart, and leave on the disk, and in its backups, a key by which a thief passes for
// the server.
func tlsConfig(agents, pages tls.Certificate, given bool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if slices.Contains(h.SignatureSchemes, tls.Ed25519) && !(given && len(h.SupportedProtos) > 0) {
				return &agents, nil
			}
			return &pages, nil
		},
	}
}

func (k *keys) public() ed25519.PublicKey { return k.identity.Public().(ed25519.PublicKey) }
