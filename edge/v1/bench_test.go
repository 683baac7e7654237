// What batches save.

package v1_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/valyala/bytebufferpool"

	"barrage/edge/delivery"
	v1 "barrage/edge/v1"
	"barrage/edge/ws"
	"barrage/fanout"
	"barrage/frame"
	"barrage/internal/broker"
)

// comments are what viewers say, for the benchmark.
var comments = []string{
	"哈哈哈哈哈", "前方高能", "awesome!", "这也太强了吧", "first time here, hi everyone", "666", "LOL", "主播加油", "泪目",
	"who is the singer?", "弹幕护体", "听哭了", "what a save", "来自东京的问候", "can't stop laughing", "名场面", "再来一遍", "gg",
	"这个BGM叫什么", "欢迎新朋友", "that was so close", "爷青回", "good night from Lisbon", "太好看了", "完结撒花", "I missed the start, what happened?",
	"破防了", "画质好清晰", "sound is a bit low", "老师讲得真好", "nooooo", "up主更新啦", "一起打卡", "this part again please", "心动了",
}

var names = []string{"Ana", "小林", "moonlit_", "Kenji", "阿强", "xX_pro_", "Lucía", "夜猫子", "bob", "橘子汽水", "Sven", "anon", "たろう", "mia.", "老王", "speedy"}

// newComment is a message as a busy room has them.
func newComment(r *rand.Rand, n int) *broker.Message {
	text := comments[r.IntN(len(comments))]
	if r.IntN(2) == 0 {
		text += " " + comments[r.IntN(len(comments))]
	}
	user := r.IntN(1e6)
	return &broker.Message{
		Room: "live-20931", ID: fmt.Sprintf("5jd2k1-%x", 7000+n), Epoch: "kq3v9x2m", Offset: uint64(100000 + n), Time: 1763740800000 + int64(n*7),
		Sender: broker.Sender{User: fmt.Sprint("u", 10e6+user), Name: fmt.Sprint(names[r.IntN(len(names))], r.IntN(1000)), Conn: fmt.Sprintf("5jd2k1-%x", user)},
		Format: broker.Text, Payload: []byte(text),
	}
}

// BenchmarkBatchDeflate makes frames of comments: each by itself, and several
// together.
func BenchmarkBatchDeflate(b *testing.B) {
	const all = 1000
	r := rand.New(rand.NewPCG(1, 1))
	forms := new(delivery.Forms)
	codec := v1.Protocol().Codec
	e := forms.Add(delivery.Form{Codec: codec, Framing: ws.Framing{Deflate: frame.WholeWindow}})
	ps, json := make([]fanout.Publication, all), 0
	for i := range ps {
		m := newComment(r, i)
		ps[i] = forms.Message(m, 0, 0)
		_, text := codec.Message(new(bytebufferpool.ByteBuffer), m)
		json += len(text)
	}
	for _, n := range []int{1, 2, 5, 20, 100} {
		b.Run(fmt.Sprintf("messages=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			frames, size := 0, 0
			for i := 0; b.Loop(); i = (i + n) % all {
				var f fanout.Message
				if n == 1 {
					f = ps[i].Encode(e)
				} else {
					f = forms.Batch(e, ps[i:i+n])
				}
				frames, size = frames+1, size+len(f.Bytes())
				f.Release()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames*n), "ns/message")
			b.ReportMetric(float64(size)/float64(frames*n), "wire-B/message")
			b.ReportMetric(float64(json)/all, "JSON-B/message")
			b.ReportMetric(0, "ns/op")
		})
	}
}
