package front

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/miekg/dns"
	"golang.org/x/sys/unix"
)

// refusing tells a process of TestRefused what its kernel refuses.
const refusing = "FRONT_TEST_REFUSED"

// TestRefused: where a system call is refused that the front lives by, as in some
// containers, it does not open, and the server answers everything. Where the kernel
// does not let it steer, each has its share. Filters of system calls stay for good,
// so that each is for a process of its own.
func TestRefused(t *testing.T) {
	if what := os.Getenv(refusing); what != "" {
		refused(t, what)
		return
	}
	t.Parallel()
	for _, what := range []string{"recvmmsg", "sendmmsg", "steering", "nothing"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestRefused$", "-test.v")
			c.Env = append(os.Environ(), refusing+"="+what)
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			} else if strings.Contains(string(out), "SKIP") {
				t.Skipf("%s", out)
			}
		})
	}
}

// refused opens a front where something is refused.
func refused(t *testing.T, what string) {
	forbid(t, what)
	peer := bind(t, "127.0.0.1:0")
	server(t, peer, told("peer"), nil)
	f, err := Open(Config{Address: peer.LocalAddr().String(), Peers: 1, Counters: new(Counters)}, &Service{Answerer: prefix("none"), Handler: told("front")})
	if opens := !strings.HasSuffix(what, "mmsg"); (err == nil) != opens {
		t.Errorf("Open: %v", err)
	}
	if err == nil {
		defer f.Close(t.Context())
		if f.Steered() != (what == "nothing") {
			t.Errorf("Steered: %v", f.Steered())
		}
	}
	for range 50 {
		m := new(dns.Msg)
		if err := m.Unpack(ask(t, dial(t, peer.LocalAddr().String()), query(1, "bad.example"))); err != nil || len(m.Answer) != 1 {
			t.Fatalf("%v %v", m, err)
		}
	}
}

// forbid has the kernel refuse something to all threads of this process.
func forbid(t *testing.T, what string) {
	t.Helper()
	if what == "steering" && (runtime.GOARCH == "386" || runtime.GOARCH == "s390x") {
		t.Skip("On this processor, a filter does not see which option of a socket is set")
	}
	load := func(offset int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: uint32(offset)}
	}
	unless := func(value, skip int) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(value), Jf: uint8(skip)}
	}
	const number = 0 // offset of that of the call
	refuse(t, map[string][]unix.SockFilter{
		"recvmmsg": {load(number), unless(unix.SYS_RECVMMSG, 1)},
		"sendmmsg": {load(number), unless(unix.SYS_SENDMMSG, 1)},
		"steering": {load(number), unless(unix.SYS_SETSOCKOPT, 3), load(thirdArgument()), unless(unix.SO_ATTACH_REUSEPORT_CBPF, 1)},
		"nothing":  {load(number), unless(math.MaxInt32, 1)},
	}[what], unix.EPERM)
}

// refuse has the kernel refuse to all threads of this process, with an error, the
// calls that a program goes on for to its end.
func refuse(t *testing.T, program []unix.SockFilter, with unix.Errno) {
	t.Helper()
	program = append(program, unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ERRNO | uint32(with)}, unix.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW})
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	runtime.LockOSThread() // the other threads get the filter from this one, and its first condition with it
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		t.Skipf("No filters of system calls here: %v", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog))); errno != 0 {
		t.Skipf("No filters of system calls here: %v", errno)
	}
}

// thirdArgument returns where a filter finds the lower half of the third argument:
// behind the number, the processor, the address and two arguments of 64 bits.
func thirdArgument() int {
	lower := 0
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		lower = 4
	}
	return 32 + lower
}
