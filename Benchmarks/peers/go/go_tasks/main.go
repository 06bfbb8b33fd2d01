// go_tasks LINE N: the lines of BenchTasks, as a user of Go writes them. There is no loop to come back to, and no thread that is
// not Go's: "another thread" is another goroutine.
package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

var words string

func resident() int {
	text, _ := os.ReadFile("/proc/self/statm")
	pages, _ := strconv.Atoi(string(bytes.Fields(text)[1]))
	return pages * os.Getpagesize()
}

func spawn(count int) {
	end := make(chan struct{})
	for i := 0; i < count; i++ {
		go func() { end <- struct{}{} }()
		<-end
	}
}

func yields(count int) {
	for i := 0; i < count; i++ {
		runtime.Gosched()
	}
}

func pingpong(count int) {
	there, back := make(chan int), make(chan int)
	go func() {
		for number := range there {
			back <- number
		}
	}()
	for i := 0; i < count; i++ {
		there <- i
		<-back
	}
	close(there)
}

func queue(count int) {
	elements := make(chan int, 64)
	go func() {
		for i := 0; i < count; i++ {
			elements <- i
		}
		close(elements)
	}()
	for range elements {
	}
}

func timer(count int) {
	for i := 0; i < count; i++ {
		time.AfterFunc(time.Minute, func() {}).Stop()
	}
}

func sleepers(count int) {
	before, start := resident(), time.Now()
	delay := time.Second + time.Duration(count)*10*time.Microsecond
	var begun atomic.Int64
	var all sync.WaitGroup
	all.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			if begun.Add(1) == int64(count) {
				asleep := time.Since(start)
				words = fmt.Sprintf(" bytes=%d asleep=%.3f", (resident()-before)/count, asleep.Seconds())
				if asleep > delay {
					words = " bytes=0 late=1"
				}
			}
			time.Sleep(delay - time.Since(start))
			all.Done()
		}()
	}
	all.Wait()
}

func semaphore(count int) {
	permits := make(chan struct{}, 8)
	var all sync.WaitGroup
	each := atLeastOne(count / 100)
	for i := 0; i < 100; i++ {
		all.Add(1)
		go func() {
			for j := 0; j < each; j++ {
				permits <- struct{}{}
				runtime.Gosched()
				<-permits
			}
			all.Done()
		}()
	}
	all.Wait()
}

// A function for another goroutine, and the word that it has run.
func schedule(count int) {
	functions, end := make(chan func()), make(chan struct{})
	go func() {
		for function := range functions {
			function()
		}
	}()
	for i := 0; i < count; i++ {
		functions <- func() { end <- struct{}{} }
		<-end
	}
	close(functions)
}

func flood(count int) {
	functions, end := make(chan func(), 64), make(chan struct{})
	go func() {
		for function := range functions {
			function()
		}
		close(end)
	}()
	for i := 0; i < count; i++ {
		functions <- func() {}
	}
	close(functions)
	<-end
}

var lines = map[string]func(int){
	"spawn": spawn, "child": spawn, "yield": yields, "pingpong": pingpong, "queue": queue, "timer": timer, "sleepers": sleepers,
	"semaphore": semaphore, "offload": spawn, "schedule": schedule, "flood": flood, "submit": spawn, "call": spawn,
}

func atLeastOne(count int) int {
	if count < 1 {
		return 1
	}
	return count
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func main() {
	count := 0
	if len(os.Args) == 3 {
		count, _ = strconv.Atoi(os.Args[2])
	}
	if count < 1 || lines[os.Args[1]] == nil {
		fmt.Println("usage: go_tasks LINE N")
		os.Exit(2)
	}
	body := lines[os.Args[1]]
	if os.Args[1] != "sleepers" {
		body(atLeastOne(count / 10))
	}
	cpu, start := cpuSeconds(), time.Now()
	body(count)
	wall := time.Since(start).Seconds()
	cpu = cpuSeconds() - cpu
	n := float64(count)
	fmt.Printf("go %s: n=%d wall=%.4f cpu=%.4f%s\n", os.Args[1], count, wall/n*1e6, cpu/n*1e6, words)
}
