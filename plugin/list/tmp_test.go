package list_test
import ("testing";"strings";"time";"math/rand/v2"
"github.com/nonudify/nonudify/plugin/list"
"github.com/nonudify/nonudify/plugin/dnsname")
func TestTmp(t *testing.T){
 var b strings.Builder
 for b.Len()<4000 { b.WriteRune(rune(0x4e00+rand.IntN(20000))) }
 for _, f := range []string{b.String(), "xn--"+strings.Repeat("a9z",1300), strings.Repeat("é.",1300)} {
 t0:=time.Now(); _,err:=dnsname.Parse(f); t.Log(time.Since(t0), len(f), dnsname.ErrIDN==err) 
 }
 for name, text := range map[string]string{"paren": strings.Repeat("(\n",100000), "paren2": strings.Repeat("x.example ( CNAME aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",100000), "hash": strings.Repeat("#"+strings.Repeat(" # ",1300)+":\n", 1000), "hash2": strings.Repeat("# a:"+strings.Repeat("# title:",500)+"\n", 1000)} {
 t0:=time.Now(); _,_,s:=verdicts(text, list.RPZ); t.Log(name, time.Since(t0), len(text), s.Err())
 t0=time.Now(); _,_,s=verdicts(text, list.Domains); t.Log(name, time.Since(t0), len(text), s.Err())
 }
}
