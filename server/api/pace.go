package api

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"zhucun/shared/form"
)

// How quick one token's requests may be, and how many at once. A spreadsheet that pages
// through everything asks for the next page when it has the last.
const (
	perSecond = 20
	burst     = 60
	together  = 4
)

// paces holds each token to its pace, in memory.
type paces struct {
	sync.Mutex
	of map[string]*pace
}

type pace struct {
	limit *rate.Limiter
	open  int
	last  time.Time
}

// begin lets a request of a token begin; done ends it.
func (p *paces) begin(token string, now time.Time) (done func(), err error) {
	p.Lock()
	defer p.Unlock()
	if p.of == nil {
		p.of = map[string]*pace{}
	}
	one := p.of[token]
	if one == nil {
		// A bucket that has stood for so long is full again.
		for id, other := range p.of {
			if other.open == 0 && now.Sub(other.last) > burst/perSecond*time.Second {
				delete(p.of, id)
			}
		}
		one = &pace{limit: rate.NewLimiter(perSecond, burst)}
		p.of[token] = one
	}
	one.last = now
	if one.open >= together {
		return nil, tooQuick(1)
	}
	if !one.limit.AllowN(now, 1) {
		return nil, tooQuick(1 + int((1-one.limit.TokensAt(now))/perSecond))
	}
	one.open++
	return func() {
		p.Lock()
		defer p.Unlock()
		one.open--
	}, nil
}

func tooQuick(seconds int) error {
	return &fault{status: http.StatusTooManyRequests, code: "pace", head: map[string]string{"Retry-After": strconv.Itoa(seconds)},
		detail: form.Label{Zh: "这个令牌的请求太快或太多，请稍等再试", En: "This token asks too quickly or too often at once; wait a little and try again"}}
}
