// goclient URL N CONCURRENCY [gzip]: Go's net/http client with a keep-alive pool; C goroutines share one counter.
// Run with GOMAXPROCS=1 for one core. Prints one line in the shape that all clients print.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: goclient URL N CONCURRENCY [gzip]")
		os.Exit(2)
	}
	url := os.Args[1]
	n, _ := strconv.Atoi(os.Args[2])
	c, _ := strconv.Atoi(os.Args[3])
	client := &http.Client{Transport: &http.Transport{
		MaxIdleConnsPerHost: c,
		MaxConnsPerHost:     c,
		MaxIdleConns:        c,
		DisableCompression:  len(os.Args) < 5,
	}}
	var next, bytes int64
	var group sync.WaitGroup
	start := time.Now()
	for i := 0; i < c; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for atomic.AddInt64(&next, 1) <= int64(n) {
				response, err := client.Get(url)
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
				atomic.AddInt64(&bytes, int64(len(body)))
			}
		}()
	}
	group.Wait()
	wall := time.Since(start).Seconds()
	var ru syscall.Rusage
	syscall.Getrusage(0, &ru)
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	user, system := seconds(ru.Utime), seconds(ru.Stime)
	fmt.Printf("go: n=%d c=%d wall=%.4f rps=%.0f cpu/req=%.3fus user/req=%.3fus rss=%dK bytes=%d\n",
		n, c, wall, float64(n)/wall, (user+system)/float64(n)*1e6, user/float64(n)*1e6, ru.Maxrss, bytes)
}
