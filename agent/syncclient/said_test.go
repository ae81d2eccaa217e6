package syncclient

import (
	"testing"
	"time"

	"zhucun/shared/form"
)

// Each row is how far a sync is and what is said of it.
func TestWords(t *testing.T) {
	for _, tt := range []struct {
		name   string
		p      Progress
		zh, en string
	}{
		{"before the first answer", Progress{ToSend: 5}, "正在连接服务器", "Reaching the server"},
		{"nobody answers", Progress{ToSend: 5, Trouble: errNoAnswer}, "还没有连上服务器，正在再试", "The server has not been reached yet; trying again"},
		{"nothing to do", Progress{Heard: true}, "", ""},
		{"sending", Progress{Heard: true, Sent: 200, ToSend: 900, UpLeft: 180_000, Left: 31 * time.Second},
			"已送出 200/1100，还有约 176 KB，约需 40 秒", "200 of 1100 sent, about 176 KB to go, about 40 seconds"},
		{"taking", Progress{Heard: true, Taken: 3000, ToTake: 17_000, DownLeft: 5 << 20, Left: 400 * time.Second},
			"已收到 3000/20000，还有约 5.0 MB，约需 7 分钟", "3000 of 20000 received, about 5.0 MB to go, about 7 minutes"},
		{"cut half way", Progress{Heard: true, Sent: 200, ToSend: 900, Trouble: errNoAnswer},
			"已送出 200/1100，连接断了，正在再试", "200 of 1100 sent, the connection broke, trying again"},
		{"photos", Progress{Heard: true, Sent: 9, Files: 12}, "还要传 12 张照片等文件", "12 photos and other files to go"},
		{"photos, as one is known", Progress{Heard: true, Sent: 9, Files: 12, UpLeft: 3 << 20, Left: 400 * time.Second},
			"还要传 12 张照片等文件（3.0 MB），约需 7 分钟", "12 photos and other files to go (3.0 MB), about 7 minutes"},
		{"a photo broke off", Progress{Heard: true, Files: 12, Trouble: errNoAnswer}, "还要传 12 张照片等文件，连接断了，正在再试", "12 photos and other files to go, the connection broke, trying again"},
		{"all has come", Progress{Heard: true, Taken: 20_000}, "已收到 20000/20000，正在收尾", "20000 of 20000 received, finishing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if zh, en := tt.p.Words(form.Zh), tt.p.Words(form.En); zh != tt.zh || en != tt.en {
				t.Errorf("said %q and %q, want %q and %q", zh, en, tt.zh, tt.en)
			}
		})
	}
}
