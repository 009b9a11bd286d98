// The echo of Go's net package: peer_go PORT, on 127.0.0.1, over TCP and UDP.
package main

import (
	"log"
	"net"
	"os"
)

func echoDatagrams(socket *net.UDPConn) {
	buffer := make([]byte, 65536)
	for {
		n, peer, err := socket.ReadFromUDPAddrPort(buffer)
		if err == nil {
			socket.WriteToUDPAddrPort(buffer[:n], peer)
		}
	}
}

func echoStream(connection net.Conn) {
	defer connection.Close()
	buffer := make([]byte, 65536)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err = connection.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func main() {
	where := "127.0.0.1:" + os.Args[1]
	address, err := net.ResolveUDPAddr("udp", where)
	if err != nil {
		log.Fatal(err)
	}
	socket, err := net.ListenUDP("udp", address)
	if err != nil {
		log.Fatal(err)
	}
	go echoDatagrams(socket)

	listener, err := net.Listen("tcp", where)
	if err != nil {
		log.Fatal(err)
	}
	for {
		connection, err := listener.Accept()
		if err == nil {
			go echoStream(connection)
		}
	}
}
