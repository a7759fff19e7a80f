-- What stock.runbook.yaml begins with.
create table stock (name text primary key, count integer not null check (count >= 0));
create table orders (id integer primary key, name text not null references stock, count integer not null);
create trigger deliver after insert on orders begin
    update stock set count = count - new.count where name = new.name;
end;
insert into stock values ('kettle', 12), ('teapot', 3), ('tray', 40);
