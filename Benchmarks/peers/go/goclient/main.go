// goclient URL N CONCURRENCY [gzip]: Go's net/http client with a keep-alive pool; C goroutines share one counter.
// Run with GOMAXPROCS=1 for one core. Prints one line in the shape that all clients print; ../../README.md has the environment.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// 128 slots for each doubling of a time: no figure is off by more than 0.8 %.
const perOctave = 128

var histogram [64 * perOctave]atomic.Uint32

func record(spent time.Duration) {
	ns := uint64(spent.Nanoseconds())
	shift := 0
	if bits.Len64(ns) > 8 {
		shift = bits.Len64(ns) - 8
	}
	histogram[shift*perOctave+int(ns>>shift)].Add(1)
}

func percentile(share float64) float64 {
	sum := 0
	for i := range histogram {
		sum += int(histogram[i].Load())
	}
	left := int(float64(sum) * share)
	for i := range histogram {
		left -= int(histogram[i].Load())
		if left < 0 {
			shift := 0
			if i >= 2*perOctave {
				shift = i/perOctave - 1
			}
			return (float64(i-shift*perOctave) + 0.5) * float64(uint64(1)<<shift) / 1000
		}
	}
	return 0
}

func usage() (user, system float64, rss int64) {
	var ru syscall.Rusage
	syscall.Getrusage(0, &ru)
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	return seconds(ru.Utime), seconds(ru.Stime), ru.Maxrss
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: goclient URL N CONCURRENCY [gzip]")
		os.Exit(2)
	}
	url := os.Args[1]
	n, _ := strconv.Atoi(os.Args[2])
	c, _ := strconv.Atoi(os.Args[3])
	warm, _ := strconv.Atoi(os.Getenv("BENCH_WARM"))
	size, _ := strconv.Atoi(os.Getenv("BENCH_BODY"))
	times, post := os.Getenv("BENCH_TIMES") != "", strings.Repeat("x", size)
	transport := &http.Transport{
		MaxIdleConnsPerHost: c,
		MaxConnsPerHost:     c,
		MaxIdleConns:        c,
		DisableCompression:  len(os.Args) < 5,
	}
	if roots := os.Getenv("BENCH_ROOTS"); roots != "" {
		text, err := os.ReadFile(roots)
		if err != nil {
			panic(err)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: x509.NewCertPool()}
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(text)
	}
	client := &http.Client{Transport: transport}
	var next, done, bytes int64
	var group sync.WaitGroup
	// Set once, by the first request that counts.
	var user, system float64
	var before int64
	start := time.Now()
	for i := 0; i < c; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for {
				number := int(atomic.AddInt64(&next, 1))
				if number > n {
					return
				}
				if number == warm+1 && warm > 0 {
					user, system, _ = usage()
					before, start = atomic.LoadInt64(&done), time.Now()
				}
				var begun time.Time
				if times {
					begun = time.Now()
				}
				var response *http.Response
				var err error
				if size > 0 {
					response, err = client.Post(url, "text/plain", strings.NewReader(post))
				} else {
					response, err = client.Get(url)
				}
				if err != nil {
					panic(err)
				}
				if response.StatusCode != 200 {
					panic(response.Status)
				}
				body, err := io.ReadAll(response.Body)
				if err != nil {
					panic(err)
				}
				response.Body.Close()
				if times && number > warm {
					record(time.Since(begun))
				}
				atomic.AddInt64(&bytes, int64(len(body)))
				atomic.AddInt64(&done, 1)
			}
		}()
	}
	group.Wait()
	wall := time.Since(start).Seconds()
	userNow, systemNow, rss := usage()
	user, system = userNow-user, systemNow-system
	counted := float64(int64(n) - before)
	fmt.Printf("go: n=%d c=%d wall=%.4f rps=%.0f cpu/req=%.3fus user/req=%.3fus rss=%dK bytes=%d",
		n, c, wall, counted/wall, (user+system)/counted*1e6, user/counted*1e6, rss, bytes)
	if times {
		fmt.Printf(" p50=%.2f p99=%.2f p999=%.2f", percentile(0.5), percentile(0.99), percentile(0.999))
	}
	fmt.Println()
}
