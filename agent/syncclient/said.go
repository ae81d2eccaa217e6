package syncclient

import (
	"fmt"
	"strings"
	"time"

	"zhucun/shared/form"
)

// Words says how far a sync has come, in one line for a person; empty where
// nothing is to be waited for.
func (p *Progress) Words(lang form.Lang) string {
	say := func(zh, en string, args ...any) string {
		return fmt.Sprintf(form.Label{Zh: zh, En: en}.In(lang), args...)
	}
	var parts []string
	left := p.UpLeft + p.DownLeft
	switch {
	case p.Files > 0 && left > 0: // the records are where they belong
		parts = append(parts, say("还要传 %d 张照片等文件（%s）", "%d photos and other files to go (%s)", p.Files, Size(left)))
	case p.Files > 0:
		parts = append(parts, say("还要传 %d 张照片等文件", "%d photos and other files to go", p.Files))
	default:
		if p.Sent+p.ToSend > 0 {
			parts = append(parts, say("已送出 %d/%d", "%d of %d sent", p.Sent, p.Sent+p.ToSend))
		}
		if p.Taken+p.ToTake > 0 {
			parts = append(parts, say("已收到 %d/%d", "%d of %d received", p.Taken, p.Taken+p.ToTake))
		}
	}
	if p.Trouble != nil {
		if !p.Heard {
			return say("还没有连上服务器，正在再试", "The server has not been reached yet; trying again")
		}
		return strings.Join(append(parts, say("连接断了，正在再试", "the connection broke, trying again")), say("，", ", "))
	}
	if !p.Heard {
		return say("正在连接服务器", "Reaching the server")
	}
	if left > 0 && p.Files == 0 {
		parts = append(parts, say("还有约 %s", "about %s to go", Size(left)))
	}
	if p.Left > 0 {
		parts = append(parts, say("约需%s", "about %s", Span(p.Left, lang)))
	}
	if p.ToSend+p.ToTake == 0 && p.Files == 0 && len(parts) > 0 {
		parts = append(parts, say("正在收尾", "finishing"))
	}
	return strings.Join(parts, say("，", ", "))
}

// Size says how long a message or a file is, or how much room there is for some.
func Size(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d KB", (bytes+1023)>>10)
	}
	if bytes >= 1<<30 {
		return fmt.Sprintf("%.1f GB", float64(bytes)/(1<<30))
	}
	return fmt.Sprintf("%.1f MB", float64(bytes)/(1<<20))
}

// Span says how long something will take, as exactly as such a thing is known.
func Span(d time.Duration, lang form.Lang) string {
	n, zh, en := 0, "", ""
	switch s := d.Seconds(); {
	case s <= 10:
		n, zh, en = 10, " %d 秒", "%d seconds"
	case s <= 90:
		n, zh, en = 10*int((s+9)/10), " %d 秒", "%d seconds"
	case s <= 90*60:
		n, zh, en = int((s+59)/60), " %d 分钟", "%d minutes"
	default:
		n, zh, en = int((s+3599)/3600), " %d 小时", "%d hours"
	}
	return fmt.Sprintf(form.Label{Zh: zh, En: en}.In(lang), n)
}
