# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh disable=SC2154 # work is the test's
# After ktap.sh and expect.sh: a cluster of Slurm's on this machine alone, with two nodes,
# in $cluster; no systemd, nothing outside that folder. Each node has its processes for
# itself, so that one that is killed takes all of them along, as when its power fails.

cluster=$work/cluster

# slurm_is_here: or why not.
slurm_is_here() {
	for tool in sbatch slurmctld slurmd munged; do
		PATH=$PATH:/usr/sbin command -v "$tool" >/dev/null ||
			skip "no $tool here: apt-get install slurm-wlm munge" || return
	done
	[ "$(id -u)" -eq 0 ] || skip 'only root can start a cluster' || return
	unshare --pid --fork --mount-proc true 2>/dev/null || skip 'no namespaces here'
}

# write_config CPUS PORT
write_config() {
	cat >"$cluster/slurm.conf" <<-END
		ClusterName=labs
		SlurmctldHost=$(hostname)(127.0.0.1)
		SlurmUser=root
		AuthType=auth/munge
		AuthInfo=socket=$cluster/munge.socket,cred_expire=10
		SlurmctldPort=$2
		StateSaveLocation=$cluster/state
		SlurmdSpoolDir=$cluster/spool-%n
		SlurmctldPidFile=$cluster/slurmctld.pid
		SlurmdPidFile=$cluster/%n.pid
		SlurmctldLogFile=$cluster/slurmctld.log
		SlurmdLogFile=$cluster/%n.log
		ProctrackType=proctrack/linuxproc
		TaskPlugin=task/none
		MpiDefault=none
		SelectType=select/cons_tres
		SelectTypeParameters=CR_CPU
		SchedulerParameters=batch_sched_delay=0,sched_min_interval=1
		SlurmdParameters=config_overrides
		SlurmdTimeout=10
		ReturnToService=2
		NodeName=node1 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=$(($2 + 1)) CPUs=$1
		NodeName=node2 NodeHostname=$(hostname) NodeAddr=127.0.0.1 Port=$(($2 + 2)) CPUs=$1
		PartitionName=grading Nodes=ALL Default=YES State=UP
	END
}

# start_node NAME
start_node() {
	mkdir -p "$cluster/spool-$1"
	unshare --pid --fork --kill-child --mount-proc slurmd -D -N "$1" >"$cluster/$1.out" 2>&1 &
	echo $! >"$cluster/$1.unshare"
}

# state_of NODE WORD: whether the controller says so.
state_of() {
	sinfo -h -N -n "$1" -o %T 2>/dev/null | grep -q "$2"
}

# start_cluster CPUS: two nodes with so many.
start_cluster() {
	export PATH="$PATH:/usr/sbin" SLURM_CONF="$cluster/slurm.conf"
	mkdir -p "$cluster/state"
	chmod 755 "$work" "$cluster"
	write_config "$1" $((20000 + $$ % 10000 * 3))
	dd if=/dev/urandom of="$cluster/munge.key" bs=128 count=1 2>/dev/null
	chmod 600 "$cluster/munge.key"
	munged --force --foreground --key-file="$cluster/munge.key" --socket="$cluster/munge.socket" \
		--pid-file="$cluster/munged.pid" --seed-file="$cluster/munge.seed" \
		--log-file="$cluster/munged.log" >"$cluster/munged.out" 2>&1 &
	echo $! >"$cluster/munged.unshare"
	soon test -S "$cluster/munge.socket" || fail "$(cat "$cluster/munged.out")" || return
	slurmctld -D -c >"$cluster/slurmctld.out" 2>&1 &
	echo $! >"$cluster/slurmctld.unshare"
	start_node node1
	start_node node2
	for node in node1 node2; do
		soon state_of "$node" idle || fail "$node does not come up: $(sinfo 2>&1; tail -n 5 "$cluster"/*.log)" || return
	done
}

# kill_node NAME: its power fails.
kill_node() {
	kill -s KILL "$(cat "$cluster/$1.unshare")"
}

stop_cluster() {
	for file in "$cluster"/*.unshare; do
		[ ! -e "$file" ] || kill -s KILL "$(cat "$file")" 2>/dev/null || :
	done
}
